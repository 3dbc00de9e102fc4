using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;

namespace AiFabric.Operator.Finetuning;

/// <summary>Picks the replica that is to run a job. Pure.</summary>
internal static class ReplicaChoice
{
    /// <summary>
    /// Of the ready ones that answer: one that never refused the job for want of room, else the one that did so the longest ago. Of several the one
    /// it ran on, for its checkpoint may be local and warm; else of the current revision (others are about to go), with the fewest sessions, then
    /// the fewest requests, then by name.
    /// </summary>
    /// <returns>Null when no ready replica answers.</returns>
    public static WorkerPod? Choose(FinetuneObservation observed) => observed.Replicas
        .Where(replica => replica.Pod.Reachable && replica.Error is null)
        .OrderBy(replica => observed.Refusals.GetValueOrDefault(FinetunePlanner.Process(replica.Pod)))
        .ThenByDescending(replica => replica.Pod.Name == observed.Job.Status?.Pod)
        .ThenByDescending(replica => replica.Pod.Revision == observed.Model?.Status?.Revision)
        .ThenBy(replica => Sessions(replica.Load, observed.Uid))
        .ThenBy(replica => replica.Load is { } load ? load.RunningRequests + load.QueuedRequests : 0)
        .ThenBy(replica => replica.Pod.Name, StringComparer.Ordinal)
        .FirstOrDefault()?.Pod;

    /// <summary>Other jobs' sessions that hold memory there; suspended ones do.</summary>
    private static int Sessions(LoadReport? load, string own) => load?.Training.Count(session =>
        session.Uid != own && session.State is not (TrainingState.Succeeded or TrainingState.Failed)) ?? 0;
}
