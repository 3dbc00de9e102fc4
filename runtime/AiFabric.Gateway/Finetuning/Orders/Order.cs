using System.Text.Json.Serialization;
using AiFabric.Gateway.Finetuning.Files;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.Finetuning.Orders;

/// <summary>A finetuning job as a client asked for it. It never changes; what is wished and seen of it since lies beside it.</summary>
public sealed record Order
{
    /// <summary><c>ftjob-…</c>, also the name of its FinetuneJob.</summary>
    public required string Id { get; init; }

    /// <summary>Whose it is; empty where no keys are asked for.</summary>
    public required string Tenant { get; init; }

    /// <summary>Unix seconds.</summary>
    public required long CreatedAt { get; init; }

    /// <summary>The model as the client named it.</summary>
    public required string AskedModel { get; init; }

    /// <summary>Namespace of the CoServedModel.</summary>
    public required string Namespace { get; init; }

    /// <summary>Name of the CoServedModel.</summary>
    public required string Model { get; init; }

    public required string AdapterName { get; init; }

    public required string TrainingFile { get; init; }

    public string? ValidationFile { get; init; }

    /// <summary>Where workers find the training file.</summary>
    public required string DatasetUri { get; init; }

    public required LineFormat Format { get; init; }

    public string? EvalUri { get; init; }

    /// <summary>Null for <c>auto</c>, which leaves the choice to the FinetuneJob's default; so below.</summary>
    public int? Epochs { get; init; }

    public int? BatchSize { get; init; }

    public double? LearningRateMultiplier { get; init; }

    public long Seed { get; init; }

    public IReadOnlyDictionary<string, string>? Metadata { get; init; }
}

/// <summary>What the client wants of a running job.</summary>
/// <param name="Paused">It shall keep its progress and stop.</param>
/// <param name="CancelledAt">Since when it shall end, Unix seconds; null while it shall not.</param>
/// <param name="PauseCalls">How often the client said that it shall pause or go on: one that says the same again means it, for somebody else may have changed it since.</param>
public sealed record Wish(bool Paused = false, long? CancelledAt = null, int PauseCalls = 0)
{
    public bool Cancelled => CancelledAt is not null;

    /// <summary>The wish after the client said that it shall pause, or go on.</summary>
    public Wish Pausing(bool paused) => this with { Paused = paused, PauseCalls = PauseCalls + 1 };
}

/// <summary>How a job ended.</summary>
/// <param name="Status"><see cref="JobStatuses"/>.</param>
/// <param name="FinishedAt">Unix seconds.</param>
/// <param name="TrainedTokens">Tokens trained on.</param>
/// <param name="Error">Why it failed; null otherwise.</param>
public sealed record JobEnd(string Status, long FinishedAt, long TrainedTokens = 0, FineTuningError? Error = null);

/// <summary>States of a job in OpenAI's words.</summary>
public static class JobStatuses
{
    public const string Queued = "queued";
    public const string Running = "running";
    public const string Paused = "paused";
    public const string Succeeded = "succeeded";
    public const string Failed = "failed";
    public const string Cancelled = "cancelled";
}

/// <summary>Notes that the FinetuneJob was seen.</summary>
internal sealed record Sighting(long At);

[JsonSourceGenerationOptions(UseStringEnumConverter = true, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Order))]
[JsonSerializable(typeof(Wish))]
[JsonSerializable(typeof(JobEnd))]
[JsonSerializable(typeof(Sighting))]
[JsonSerializable(typeof(FineTuningEvent))]
internal sealed partial class OrderJson : JsonSerializerContext;
