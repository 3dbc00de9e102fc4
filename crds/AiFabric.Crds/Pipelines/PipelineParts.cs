using System.Text.Json.Serialization;
using AiFabric.Crds.Abstractions;
using k8s.Models;

namespace AiFabric.Crds.Pipelines;

[JsonConverter(typeof(JsonStringEnumConverter<PipelineExecution>))]
public enum PipelineExecution
{
    Streaming,
    Barrier,
}

[JsonConverter(typeof(JsonStringEnumConverter<StageDependency>))]
public enum StageDependency
{
    Hard,
    Soft,
}

[JsonConverter(typeof(JsonStringEnumConverter<CutBy>))]
public enum CutBy
{
    Sentence,
    Delimiter,

    /// <summary>The elements of the first JSON array in the text.</summary>
    JsonElement,
}

[JsonConverter(typeof(JsonStringEnumConverter<EmitBy>))]
public enum EmitBy
{
    /// <summary>As it comes: into split, join and filter.</summary>
    Token,
    Sentence,
    Delimiter,
    JsonElement,

    /// <summary>When it is whole.</summary>
    Full,
}

[JsonConverter(typeof(JsonStringEnumConverter<JoinPolicy>))]
public enum JoinPolicy
{
    All,

    /// <summary>The item that completes first.</summary>
    Any,

    /// <summary>The item of the lowest index that is not dropped.</summary>
    First,

    /// <summary>As many as <c>count</c> says; only in a join stage.</summary>
    Count,
}

[JsonConverter(typeof(JsonStringEnumConverter<JoinOrder>))]
public enum JoinOrder
{
    Index,
    Completed,
}

[JsonConverter(typeof(JsonStringEnumConverter<AggregationPolicy>))]
public enum AggregationPolicy
{
    SameReplica,
    Any,
}

/// <summary>The stage whose text is the answer.</summary>
public sealed class PipelineOutput
{
    [Required]
    [Length(1, 40)]
    public string From { get; set; } = string.Empty;
}

/// <summary>One input of a stage.</summary>
[ValidationRule("!has(self.delimiter) || (has(self.emit) && self.emit == 'Delimiter')", "delimiter is for emit: Delimiter")]
[ValidationRule("!has(self.join) || self.join != 'Count'", "join: Count needs a join stage, which has a count")]
public sealed class InputSpec
{
    [Required]
    [Description("A stage, or request: the client's text.")]
    [Length(1, 40)]
    public string From { get; set; } = string.Empty;

    [Description("Sentence, Delimiter and JsonElement cut the text into items as it comes; Full waits for all of it; Token passes it on as it comes, into split, join and filter. Default: Token there, Full elsewhere.")]
    public EmitBy? Emit { get; set; }

    [Description("Where emit: Delimiter cuts. Default: a line feed.")]
    [Length(1, 64)]
    public string? Delimiter { get; set; }

    [Description("Gathers the items of the innermost split into one text, a line for each. Without it the stage is called for each item.")]
    public JoinPolicy? Join { get; set; }
}

/// <summary>Which items of a function belong together.</summary>
public sealed class AggregationSpec
{
    [Description("All items that come from one text of this stage are a group. Default: the parts of one text of the innermost split.")]
    [Length(1, 40)]
    public string? KeyFrom { get; set; }

    [Description("SameReplica: one replica gets the group's items one by one and answers when it is closed. Any: items are independent calls.")]
    [Default(nameof(AggregationPolicy.SameReplica))]
    public AggregationPolicy? Policy { get; set; }
}

/// <summary>How a model answers. Decimals are strings.</summary>
public sealed class GenerationParameters
{
    [RangeMinimum(1)]
    [RangeMaximum(1000000)]
    public int? MaxTokens { get; set; }

    [Pattern(@"^[0-9]+(\.[0-9]+)?$")]
    [Length(1, 16)]
    public string? Temperature { get; set; }

    [Pattern(@"^[0-9]+(\.[0-9]+)?$")]
    [Length(1, 16)]
    public string? TopP { get; set; }

    public long? Seed { get; set; }

    [Items(1, 4)]
    public IList<string>? Stop { get; set; }
}

/// <summary>What was observed of a pipeline.</summary>
public sealed class PipelineStatus
{
    public long? ObservedGeneration { get; set; }

    [ListMapKeys("name")]
    public IList<StageStatus>? Stages { get; set; }

    [ListMapKeys("type")]
    public IList<V1Condition>? Conditions { get; set; }
}

/// <summary>What was observed of a stage.</summary>
public sealed class StageStatus
{
    [Required]
    public string Name { get; set; } = string.Empty;

    public bool? Ready { get; set; }

    [Description("Why it is not ready.")]
    public string? Message { get; set; }

    [Description("Of a function: replicas that are ready and that every gateway routes to.")]
    public int? ReadyReplicas { get; set; }
}

/// <summary>Condition types of a Pipeline.</summary>
public static class PipelineConditions
{
    /// <summary>The stages fit together.</summary>
    public const string Accepted = "Accepted";

    /// <summary>Every stage is ready, and every gateway serves the pipeline as it stands.</summary>
    public const string Ready = "Ready";
}
