using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.ReplicaSets;

/// <summary>Pods to add and to remove, the set's new status, and when a pod may become available by mere waiting.</summary>
internal sealed record ReplicaSetPlan(int Create, IReadOnlyList<V1Pod> Delete, V1ReplicaSetStatus Status, TimeSpan? CheckAfter);

/// <summary>Decides what a replica set lacks or has too much of.</summary>
internal static class ReplicaSetPlanner
{
    public static ReplicaSetPlan Plan(V1ReplicaSet set, IReadOnlyList<V1Pod> owned, DateTimeOffset now)
    {
        V1Pod[] active = [.. owned.Where(p => p.Metadata.DeletionTimestamp is null && p.Status?.Phase is not ("Succeeded" or "Failed"))];
        int wanted = set.Spec.Replicas ?? 1;
        TimeSpan minReady = TimeSpan.FromSeconds(set.Spec.MinReadySeconds ?? 0);
        TimeSpan?[] untilAvailable = [.. active.Select(p => PodReadiness.UntilAvailable(p, minReady, now))];
        var status = new V1ReplicaSetStatus
        {
            Replicas = active.Length,
            FullyLabeledReplicas = active.Length,
            ReadyReplicas = active.Count(PodReadiness.IsReady),
            AvailableReplicas = untilAvailable.Count(t => t == TimeSpan.Zero),
            ObservedGeneration = set.Metadata.Generation,
        };
        V1Pod[] surplus = [.. active.OrderBy(DeletionRank).ThenByDescending(p => p.Metadata.CreationTimestamp).Take(Math.Max(0, active.Length - wanted))];
        TimeSpan? next = untilAvailable.Where(t => t > TimeSpan.Zero).Min();
        return new ReplicaSetPlan(Math.Max(0, wanted - active.Length), surplus, status, next);
    }

    // Whoever serves least goes first: unplaced, then starting, then unready, then ready.
    private static int DeletionRank(V1Pod pod) =>
        string.IsNullOrEmpty(pod.Spec?.NodeName) ? 0 : pod.Status?.Phase != "Running" ? 1 : PodReadiness.IsReady(pod) ? 3 : 2;
}
