using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;

namespace AiFabric.Operator.Finetuning;

/// <summary>What a job needs of its model. Pure.</summary>
internal static class FinetuneNeeds
{
    /// <summary>
    /// Whether the model must keep a replica for it: it trains, or waits to. Not once it ended, while it is suspended, or while it is refused, for
    /// then no replica would help it.
    /// </summary>
    public static bool Replica(FinetuneJob job) =>
        job.Metadata.DeletionTimestamp is null && job.Spec.Suspend != true && !FinetunePlanner.IsTerminal(job)
        && job.Status?.Conditions?.Any(condition => condition is { Type: FinetuneJobConditions.Accepted, Status: ConditionStatus.False }) != true;
}
