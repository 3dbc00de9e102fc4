using AiFabric.Crds.Abstractions;
using AiFabric.Crds.Common;
using k8s.Models;

namespace AiFabric.Crds.Pipelines;

/// <summary>A graph of model calls and functions that streams partial results from stage to stage, called like a model.</summary>
[KubernetesEntity(Group = Group.Name, ApiVersion = Group.Version, Kind = "Pipeline", PluralName = "pipelines")]
[KubernetesEntityShortNames("aipl")]
[GenericAdditionalPrinterColumn(".status.conditions[?(@.type==\"Accepted\")].status", "Accepted", "string")]
[GenericAdditionalPrinterColumn(".status.conditions[?(@.type==\"Ready\")].status", "Ready", "string")]
[GenericAdditionalPrinterColumn(".status.conditions[?(@.type==\"Ready\")].reason", "Reason", "string", Priority = 1)]
[GenericAdditionalPrinterColumn(".metadata.creationTimestamp", "Age", "date")]
public sealed class Pipeline : CustomKubernetesEntity<PipelineSpec, PipelineStatus>
{
    public Pipeline() => (ApiVersion, Kind) = (Group.ApiVersion, "Pipeline");
}

/// <summary>The stages and how texts flow between them.</summary>
public sealed class PipelineSpec
{
    [Required]
    [Items(1, 32)]
    [ListMapKeys("name")]
    public IList<StageSpec> Stages { get; set; } = [];

    [Required]
    [Description("The stage whose text is the answer. It must have one text for each request.")]
    public PipelineOutput Output { get; set; } = new();

    [Description("Streaming: each part flows on as soon as it is there. Barrier: a stage begins when those before it are done with everything.")]
    [Default(nameof(PipelineExecution.Streaming))]
    public PipelineExecution? Execution { get; set; }

    [Description("A run that takes longer ends with an error.")]
    [Default(600)]
    [RangeMinimum(1)]
    [RangeMaximum(86400)]
    public int? TimeoutSeconds { get; set; }
}

/// <summary>One stage: what it does, and what with.</summary>
[ValidationRule(
    "[has(self.modelRef), has(self.functionRef), has(self.pipelineRef), has(self.split), has(self.join), has(self.filter)].filter(set, set).size() == 1",
    "set exactly one of modelRef, functionRef, pipelineRef, split, join and filter")]
[ValidationRule("self.name != 'request'", "the name request stands for the client's text")]
[ValidationRule("has(self.modelRef) || (!has(self.prompt) && !has(self.system) && !has(self.parameters))", "prompt, system and parameters are for modelRef")]
[ValidationRule("has(self.functionRef) || !has(self.aggregation)", "aggregation is for functionRef")]
public sealed class StageSpec
{
    [Required]
    [Description("Unique among the stages. Inputs and prompts name it.")]
    [Length(1, 40)]
    [Pattern("^[a-z]([-a-z0-9]*[a-z0-9])?$")]
    public string Name { get; set; } = string.Empty;

    [Description("Asks a CoServedModel once for each item.")]
    public ModelStageSpec? ModelRef { get; set; }

    [Description("Calls your own container, which the operator runs.")]
    public FunctionSpec? FunctionRef { get; set; }

    [Description("Runs another Pipeline of the same namespace for each item.")]
    public PipelineReference? PipelineRef { get; set; }

    [Description("Cuts its input into parts, each an item of its own.")]
    public SplitSpec? Split { get; set; }

    [Description("Gathers the parts of its input's innermost split, or of several inputs.")]
    public JoinSpec? Join { get; set; }

    [Description("Passes items on or drops them.")]
    public FilterSpec? Filter { get; set; }

    [Description("What the model is asked; {{name}} is the text of the input of that name. Default: the only input's text.")]
    [Length(1, 32768)]
    public string? Prompt { get; set; }

    [Description("The system message.")]
    [Length(1, 32768)]
    public string? System { get; set; }

    [Description("How the model answers.")]
    public GenerationParameters? Parameters { get; set; }

    [Description("Where its texts come from. Default: the request.")]
    [Items(1, 8)]
    public IList<InputSpec>? Inputs { get; set; }

    [Description("Sends the items of a group to one replica, which answers when the group is closed.")]
    public AggregationSpec? Aggregation { get; set; }

    [Description("Hard: when the stage fails, the run fails. Soft: the run goes on with what the stage had made.")]
    [Default(nameof(StageDependency.Hard))]
    public StageDependency? Dependency { get; set; }

    [Description("A call that takes longer has failed.")]
    [Default(120)]
    [RangeMinimum(1)]
    [RangeMaximum(86400)]
    public int? TimeoutSeconds { get; set; }

    [Description("Calls of one run at the same time. When as many wait, the stages before this one pause.")]
    [Default(8)]
    [RangeMinimum(1)]
    [RangeMaximum(1000)]
    public int? MaxInFlight { get; set; }
}

/// <summary>The model of a stage.</summary>
public sealed class ModelStageSpec
{
    [Required]
    [Description("A CoServedModel of the same namespace.")]
    [Length(1, 253)]
    public string Name { get; set; } = string.Empty;

    [Description("An Adapter of that model.")]
    [Length(1, 253)]
    public string? Adapter { get; set; }
}

/// <summary>Another Pipeline.</summary>
public sealed class PipelineReference
{
    [Required]
    [Length(1, 253)]
    public string Name { get; set; } = string.Empty;
}

/// <summary>A container that speaks the stage protocol (docs/pipelines.md).</summary>
public sealed class FunctionSpec
{
    [Required]
    [Length(1, 512)]
    public string Image { get; set; } = string.Empty;

    [Description("Default: the image's entry point.")]
    [Items(1, 64)]
    public IList<string>? Command { get; set; }

    [Items(1, 64)]
    public IList<string>? Args { get; set; }

    [Default(1)]
    [RangeMinimum(1)]
    [RangeMaximum(100)]
    public int? Replicas { get; set; }

    [Description("Calls that a replica works on at the same time, for each gateway replica. More wait in the gateway: those of the oldest requests go first. Default: no bound.")]
    [RangeMinimum(1)]
    [RangeMaximum(10000)]
    public int? Concurrency { get; set; }

    [Description("Where it listens; it is told as the environment variable PORT. It is ready when the port accepts connections.")]
    [Default(8080)]
    [RangeMinimum(1)]
    [RangeMaximum(65535)]
    public int? Port { get; set; }

    public V1ResourceRequirements? Resources { get; set; }
}

/// <summary>Cuts a text.</summary>
[ValidationRule("!has(self.delimiter) || self.by == 'Delimiter'", "delimiter is for by: Delimiter")]
public sealed class SplitSpec
{
    [Required]
    public CutBy? By { get; set; }

    [Description("Where by: Delimiter cuts. Default: a line feed.")]
    [Length(1, 64)]
    public string? Delimiter { get; set; }

    [Description("A text with more parts fails the run.")]
    [Default(1000)]
    [RangeMinimum(1)]
    [RangeMaximum(10000)]
    public int? MaxItems { get; set; }
}

/// <summary>Gathers items.</summary>
[ValidationRule("has(self.count) == (has(self.policy) && self.policy == 'Count')", "count goes with policy: Count")]
public sealed class JoinSpec
{
    [Default(nameof(JoinPolicy.All))]
    public JoinPolicy? Policy { get; set; }

    [Description("For policy Count: how many items are enough. The rest is cancelled.")]
    [RangeMinimum(1)]
    [RangeMaximum(10000)]
    public int? Count { get; set; }

    [Description("Index: in the order of the split or the inputs, streaming. Completed: each whole, as it completes.")]
    [Default(nameof(JoinOrder.Index))]
    public JoinOrder? Order { get; set; }

    [Description("Between two items. Default: a line feed.")]
    [Length(0, 256)]
    public string? Separator { get; set; }
}

/// <summary>Looks for a text, whatever the case of its letters: in the last input. What it passes on is the first.</summary>
[ValidationRule("has(self.startsWith) != has(self.contains)", "set exactly one of startsWith and contains")]
public sealed class FilterSpec
{
    [Length(1, 1024)]
    public string? StartsWith { get; set; }

    [Length(1, 1024)]
    public string? Contains { get; set; }

    [Description("Passes on the items in which it is not found.")]
    [Default(false)]
    public bool? Negate { get; set; }
}
