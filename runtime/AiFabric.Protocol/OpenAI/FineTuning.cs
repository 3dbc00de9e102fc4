using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiFabric.Protocol.OpenAI;

/// <summary>Body of <c>POST /v1/fine_tuning/jobs</c>.</summary>
/// <remarks>Source: OpenAI's API reference, Fine-tuning.</remarks>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record FineTuningRequest
{
    public string? Model { get; init; }

    /// <summary>Id of an uploaded file.</summary>
    public string? TrainingFile { get; init; }

    public string? ValidationFile { get; init; }

    /// <summary>The older place of <see cref="FineTuningMethod"/>'s settings.</summary>
    public FineTuningHyperparameters? Hyperparameters { get; init; }

    public FineTuningMethod? Method { get; init; }

    /// <summary>Becomes a part of the adapter's name.</summary>
    public string? Suffix { get; init; }

    public long? Seed { get; init; }

    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    public JsonElement? Integrations { get; init; }
}

/// <summary>What is optimized.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record FineTuningMethod
{
    /// <summary><c>supervised</c>.</summary>
    public required string Type { get; init; }

    public FineTuningSettings? Supervised { get; init; }
}

[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record FineTuningSettings
{
    public FineTuningHyperparameters? Hyperparameters { get; init; }
}

/// <summary>Each is a number or <c>auto</c>.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record FineTuningHyperparameters
{
    public JsonElement? NEpochs { get; init; }

    public JsonElement? BatchSize { get; init; }

    /// <summary>Times the learning rate that a FinetuneJob has by default.</summary>
    public JsonElement? LearningRateMultiplier { get; init; }
}

/// <summary>A finetuning job as clients see it.</summary>
public sealed record FineTuningJob
{
    public required string Id { get; init; }

    public string Object { get; set; } = "fine_tuning.job";

    /// <summary>Unix seconds.</summary>
    public required long CreatedAt { get; init; }

    /// <summary>Unix seconds; null while it has not ended.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public long? FinishedAt { get; init; }

    public required string Model { get; init; }

    /// <summary>Name in OpenAI's model field; null before it succeeded.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FineTunedModel { get; init; }

    public string OrganizationId { get; set; } = "";

    /// <summary><c>queued</c>, <c>running</c>, <c>paused</c>, <c>succeeded</c>, <c>failed</c> or <c>cancelled</c>.</summary>
    public required string Status { get; init; }

    public required FineTuningHyperparameters Hyperparameters { get; init; }

    public required FineTuningMethod Method { get; init; }

    public required string TrainingFile { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? ValidationFile { get; init; }

    public IReadOnlyList<string> ResultFiles { get; set; } = [];

    /// <summary>Tokens trained on; null while it has not ended.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public long? TrainedTokens { get; init; }

    /// <summary>Why it failed; null otherwise.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public FineTuningError? Error { get; init; }

    public long Seed { get; init; }

    /// <summary>Unix seconds; null while it is not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public long? EstimatedFinish { get; init; }

    public IReadOnlyDictionary<string, string>? Metadata { get; init; }
}

public sealed record FineTuningError
{
    public required string Code { get; init; }

    public required string Message { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Param { get; init; }
}

/// <summary>Answer of <c>GET /v1/fine_tuning/jobs</c>.</summary>
public sealed record FineTuningJobPage : Page<FineTuningJob>;

/// <summary>Something that happened to a job.</summary>
public sealed record FineTuningEvent
{
    public required string Id { get; init; }

    public string Object { get; set; } = "fine_tuning.job.event";

    /// <summary>Unix seconds.</summary>
    public required long CreatedAt { get; init; }

    /// <summary><c>info</c> or <c>error</c>.</summary>
    public required string Level { get; init; }

    public required string Message { get; init; }

    /// <summary><c>message</c> or <c>metrics</c>.</summary>
    public required string Type { get; init; }

    public FineTuningMetrics? Data { get; init; }
}

/// <summary>Losses in nats per token.</summary>
public sealed record FineTuningMetrics
{
    public int Step { get; init; }

    public int TotalSteps { get; init; }

    public double? TrainLoss { get; init; }

    public double? ValidLoss { get; init; }
}

/// <summary>Answer of <c>GET /v1/fine_tuning/jobs/{id}/events</c>.</summary>
public sealed record FineTuningEventPage : Page<FineTuningEvent>;
