using AiFabric.Crds.Adapters;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;

namespace AiFabric.Operator.Finetuning;

/// <summary>What a job's next step is.</summary>
internal enum FinetuneStep
{
    /// <summary>It ended; only its time to live is left.</summary>
    Rest,

    /// <summary>It ended and its time to live is over: delete it.</summary>
    Expire,

    /// <summary>Something stands in its way; a session that runs is left alone.</summary>
    Wait,

    /// <summary>It is suspended and no replica runs it.</summary>
    Suspend,

    /// <summary>A replica runs it, or is to (<see cref="FinetunePlan.Request"/>).</summary>
    Run,

    /// <summary>Its session failed or found no room, and is to be tried again later.</summary>
    Retry,

    /// <summary>It failed for good.</summary>
    Fail,

    /// <summary>Its session succeeded: make the Adapter, then it is complete.</summary>
    Publish,
}

/// <summary>A session to cancel.</summary>
internal sealed record SessionCancel(WorkerPod Pod);

/// <summary>What to do for a job.</summary>
internal sealed record FinetunePlan(FinetuneStep Step)
{
    /// <summary>Whether the job can run at all; passes or says why not.</summary>
    public Check Accepted { get; init; } = Check.Pass;

    /// <summary>Why it waits, retries or fails.</summary>
    public Check Problem { get; init; } = Check.Pass;

    /// <summary>The replica that runs it, or is to.</summary>
    public WorkerPod? Pod { get; init; }

    /// <summary>To send to <see cref="Pod"/>; null when it has it.</summary>
    public TrainingRequest? Request { get; init; }

    /// <summary>What <see cref="Pod"/> says of the training session; null when it has none.</summary>
    public TrainingStatus? Session { get; init; }

    /// <summary>Sessions to cancel: of a job that ended, or doubles.</summary>
    public IReadOnlyList<SessionCancel> Cancel { get; init; } = [];

    /// <summary>To apply; null when it is there as wanted.</summary>
    public Adapter? Adapter { get; init; }

    /// <summary>Failures counted after this step.</summary>
    public int Failures { get; init; }

    /// <summary>After a retryable failure, or where there was no room: no new try before this time.</summary>
    public DateTimeOffset? RetryAt { get; init; }

    /// <summary>Look again after this time; null: when something changes.</summary>
    public TimeSpan? LookAgain { get; init; }
}
