using System.Text.Json;
using System.Text.Json.Serialization;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Protocol.Gateway;

/// <summary>Body of <c>POST /v1/pipelines/{name}/runs</c>: exactly one of <see cref="Input"/> and <see cref="Messages"/>.</summary>
public sealed record PipelineRunRequest
{
    /// <summary>The pipeline's text, or <c>{"file_id": "file-…"}</c>.</summary>
    public JsonElement? Input { get; init; }

    /// <summary>A conversation, as in a chat request.</summary>
    public JsonElement? Messages { get; init; }

    /// <summary>Seconds within which it must have ended; after them it is <c>expired</c>.</summary>
    public long? CompletionWindowSeconds { get; init; }

    /// <summary>Seconds for which its results are kept after its end.</summary>
    public long? KeepSeconds { get; init; }

    public IReadOnlyDictionary<string, string>? Metadata { get; init; }
}

/// <summary>A run of a pipeline as its client sees it. Times are Unix seconds.</summary>
public sealed record PipelineRunObject
{
    public required string Id { get; init; }

    public string Object { get; set; } = "pipeline.run";

    public required long CreatedAt { get; init; }

    /// <summary><c>namespace/name</c> of the pipeline.</summary>
    public required string Pipeline { get; init; }

    /// <summary><c>queued</c>, <c>in_progress</c>, <c>completed</c>, <c>failed</c>, <c>cancelled</c> or <c>expired</c>.</summary>
    public required string Status { get; init; }

    /// <summary>Since when it runs, or when it ran last.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public long? StartedAt { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public long? EndedAt { get; init; }

    /// <summary>When it expires unless it has ended.</summary>
    public required long DeadlineAt { get; init; }

    /// <summary>When it and its results are deleted; null while it has not ended.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public long? ExpiresAt { get; init; }

    /// <summary>How often it was begun: more than once when a gateway was lost.</summary>
    public required int Attempts { get; init; }

    /// <summary>The answer; null unless it is completed, and in lists.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Output { get; init; }

    /// <summary>Soft stages that failed, and whose partial answers were used.</summary>
    public IReadOnlyList<string>? PartialStages { get; init; }

    /// <summary>Tokens of all models; null while it has not ended.</summary>
    public Usage? Usage { get; init; }

    /// <summary>Why it has no answer; null otherwise.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public PipelineRunError? Error { get; init; }

    public IReadOnlyDictionary<string, string>? Metadata { get; init; }
}

/// <summary>Why a run has no answer.</summary>
public sealed record PipelineRunError
{
    public required string Code { get; init; }

    public required string Message { get; init; }

    /// <summary>The stage that failed, if one did.</summary>
    public string? Stage { get; init; }
}

/// <summary>What a stage made of one item in a run.</summary>
public sealed record PipelineRunStage
{
    public required string Id { get; init; }

    public string Object { get; set; } = "pipeline.run.stage";

    public required string Stage { get; init; }

    /// <summary>The item's place: its index in each split that it went through.</summary>
    public required string Item { get; init; }

    /// <summary>Null when the run's stages made more than is kept.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Text { get; init; }

    /// <summary>Length of the text, characters.</summary>
    public required int Characters { get; init; }

    /// <summary>Unix seconds.</summary>
    public required long FinishedAt { get; init; }
}

/// <summary>A page of runs, newest first.</summary>
public sealed record PipelineRunPage
{
    public string Object { get; set; } = "list";

    public required IReadOnlyList<PipelineRunObject> Data { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FirstId { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? LastId { get; init; }

    public required bool HasMore { get; init; }
}

/// <summary>A page of stage results, in the order in which they were made.</summary>
public sealed record PipelineRunStagePage
{
    public string Object { get; set; } = "list";

    public required IReadOnlyList<PipelineRunStage> Data { get; init; }

    public required bool HasMore { get; init; }
}

/// <summary>The answer to a deletion.</summary>
public sealed record PipelineRunDeleted
{
    public required string Id { get; init; }

    public string Object { get; set; } = "pipeline.run.deleted";

    public required bool Deleted { get; init; }
}

/// <summary>A life-cycle event of a run.</summary>
/// <remarks>Source: CloudEvents 1.0, JSON event format (structured mode).</remarks>
public sealed record PipelineRunEvent
{
    [JsonPropertyName("specversion")]
    public string SpecVersion { get; set; } = "1.0";

    /// <summary>The same each time that the event is sent again.</summary>
    public required string Id { get; init; }

    public required string Source { get; init; }

    public required string Type { get; init; }

    /// <summary>The run's id.</summary>
    public required string Subject { get; init; }

    /// <summary>RFC 3339.</summary>
    public required string Time { get; init; }

    [JsonPropertyName("datacontenttype")]
    public string DataContentType { get; set; } = "application/json";

    public required PipelineRunEventData Data { get; init; }
}

/// <summary>What an event tells. It holds no text of the run: events go to whoever subscribes.</summary>
public sealed record PipelineRunEventData
{
    /// <summary>Whose run it is; left out where no API keys are asked for.</summary>
    public string? Tenant { get; init; }

    public required string Status { get; init; }

    public required int Attempt { get; init; }

    public string? Stage { get; init; }

    public string? Item { get; init; }

    public int? Characters { get; init; }

    public Usage? Usage { get; init; }

    public PipelineRunError? Error { get; init; }
}

/// <summary>Bodies of asynchronous runs: snake_case; an unknown field of a request is an error.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(PipelineRunRequest))]
[JsonSerializable(typeof(PipelineRunObject))]
[JsonSerializable(typeof(PipelineRunPage))]
[JsonSerializable(typeof(PipelineRunStagePage))]
[JsonSerializable(typeof(PipelineRunDeleted))]
[JsonSerializable(typeof(PipelineRunEvent))]
public sealed partial class PipelineRunJson : JsonSerializerContext;
