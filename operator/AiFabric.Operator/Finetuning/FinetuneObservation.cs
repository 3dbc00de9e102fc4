using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Storage;
using AiFabric.Operator.Validation;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;

namespace AiFabric.Operator.Finetuning;

/// <summary>A replica of the model and what it says of the job.</summary>
/// <param name="Pod">The replica.</param>
/// <param name="Session">The job's session on it; null when it has none or does not answer.</param>
/// <param name="Load">What it carries; null when it was not asked or does not answer.</param>
/// <param name="Error">Why it did not answer; null when it did, or was not asked.</param>
internal sealed record FinetuneReplica(WorkerPod Pod, TrainingStatus? Session = null, LoadReport? Load = null, string? Error = null);

/// <summary>All that is known of a job at one moment.</summary>
internal sealed record FinetuneObservation
{
    public required FinetuneJob Job { get; init; }

    /// <summary>The clock, for deadlines and delays.</summary>
    public required DateTimeOffset Now { get; init; }

    /// <summary>Where jobs write by default.</summary>
    public required StorageUri Data { get; init; }

    /// <summary>Broken rules, apart from changed immutable fields.</summary>
    public IReadOnlyList<Violation> Violations { get; init; } = [];

    /// <summary>Immutable fields that changed.</summary>
    public IReadOnlyList<Violation> Changes { get; init; } = [];

    public CoServedModel? Model { get; init; }

    /// <summary>The ready replicas, and the one the job runs on even if it is not ready, by name.</summary>
    public IReadOnlyList<FinetuneReplica> Replicas { get; init; } = [];

    /// <summary>The Adapter of the name that the job will make, whoever made it.</summary>
    public Adapter? Adapter { get; init; }

    /// <summary>An older unfinished job that will make an Adapter of the same name; null for none.</summary>
    public string? Rival { get; init; }

    /// <summary>The replica process that was sent the present spec, as <c>podUid/restarts</c>; null for none since the operator started.</summary>
    public string? SentTo { get; init; }

    /// <summary>Since when the job's replica is ready but silent; null when it is not.</summary>
    public DateTimeOffset? SilentSince { get; init; }

    /// <summary>When replica processes, as <c>podUid/restarts</c>, last had no room for the job; those that never said so are missing.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> Refusals { get; init; } = new Dictionary<string, DateTimeOffset>();

    /// <summary>No new try before this time; null for at once.</summary>
    public DateTimeOffset? RetryAt { get; init; }

    public string Uid => Job.Metadata.Uid;
}

/// <summary>The waits a planner goes by.</summary>
/// <param name="Poll">Between two looks at a running session.</param>
/// <param name="Steady">Between two looks at a job that waits for something watched.</param>
/// <param name="Silence">A silent replica loses its session after this time.</param>
/// <param name="Retry">Before the first retry; doubles with each further one.</param>
internal sealed record FinetuneTimes(TimeSpan Poll, TimeSpan Steady, TimeSpan Silence, TimeSpan Retry)
{
    private static readonly TimeSpan LongestRetry = TimeSpan.FromMinutes(6); // As Kubernetes' Job.

    /// <summary>The delay before the try after the <paramref name="failures"/>-th failure.</summary>
    public TimeSpan RetryDelay(int failures) =>
        TimeSpan.FromTicks(Math.Min(LongestRetry.Ticks, (long)(Retry.Ticks * Math.Pow(2, Math.Clamp(failures - 1, 0, 20)))));
}
