using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.Deployments;

/// <summary>Computes a deployment's status, conditions included.</summary>
internal static class RolloutStatus
{
    private static readonly TimeSpan DefaultDeadline = TimeSpan.FromSeconds(600);

    public static V1DeploymentStatus Of(V1Deployment deployment, RolloutGoal goal, SetView? current, IReadOnlyList<SetView> old, DateTimeOffset now)
    {
        SetView[] all = [.. old.Append(current).OfType<SetView>()];
        int available = all.Sum(s => s.Available);
        var status = new V1DeploymentStatus
        {
            ObservedGeneration = deployment.Metadata.Generation,
            Replicas = all.Sum(s => s.Running),
            UpdatedReplicas = current?.Running ?? 0,
            ReadyReplicas = all.Sum(s => s.Ready),
            AvailableReplicas = available,
            UnavailableReplicas = Math.Max(0, all.Sum(s => s.Wanted) - available),
            CollisionCount = deployment.Status?.CollisionCount,
        };
        V1DeploymentCondition progressing = Progressing(deployment, goal, current, status, now);
        bool enough = available >= goal.Replicas - (goal.Recreate ? 0 : goal.MaxUnavailable);
        V1DeploymentCondition availability = Condition(deployment, "Available", enough ? "True" : "False",
            enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
            enough ? "Deployment has minimum availability." : "Deployment does not have minimum availability.", now, touched: false);
        status.Conditions = [availability, progressing];
        return status;
    }

    /// <summary>The status as Kubernetes writes it: counts of zero are left out.</summary>
    public static V1DeploymentStatus Shown(V1DeploymentStatus status)
    {
        static int? Some(int? count) => count == 0 ? null : count;
        return new()
        {
            ObservedGeneration = status.ObservedGeneration,
            Replicas = Some(status.Replicas),
            UpdatedReplicas = Some(status.UpdatedReplicas),
            ReadyReplicas = Some(status.ReadyReplicas),
            AvailableReplicas = Some(status.AvailableReplicas),
            UnavailableReplicas = Some(status.UnavailableReplicas),
            CollisionCount = status.CollisionCount,
            Conditions = status.Conditions,
        };
    }

    /// <summary>When the progress deadline strikes if nothing moves until then.</summary>
    public static TimeSpan? UntilDeadline(V1Deployment deployment, V1DeploymentStatus status, DateTimeOffset now)
    {
        V1DeploymentCondition? progressing = status.Conditions.FirstOrDefault(c => c.Type == "Progressing");
        if (progressing is null or { Reason: "NewReplicaSetAvailable" or "ProgressDeadlineExceeded" or "DeploymentPaused" })
        {
            return null;
        }

        TimeSpan left = (WireTime.Read(progressing.LastUpdateTime) ?? now) + Deadline(deployment) - now;
        return left > TimeSpan.Zero ? left + TimeSpan.FromSeconds(1) : TimeSpan.FromSeconds(1);
    }

    private static TimeSpan Deadline(V1Deployment deployment) =>
        deployment.Spec.ProgressDeadlineSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : DefaultDeadline;

    private static V1DeploymentCondition Progressing(V1Deployment deployment, RolloutGoal goal, SetView? current, V1DeploymentStatus status, DateTimeOffset now)
    {
        V1DeploymentCondition? before = deployment.Status?.Conditions?.FirstOrDefault(c => c.Type == "Progressing");
        string name = current?.Name ?? deployment.Metadata.Name;
        if (goal.Paused)
        {
            return Condition(deployment, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", now, touched: false);
        }

        bool complete = status.UpdatedReplicas == goal.Replicas && status.Replicas == goal.Replicas && status.AvailableReplicas == goal.Replicas;
        if (complete)
        {
            return Condition(deployment, "Progressing", "True", "NewReplicaSetAvailable",
                $"ReplicaSet \"{name}\" has successfully progressed.", now, touched: false);
        }

        // A rollout that was complete stays so when a pod merely dies; only a new template or count starts another one.
        bool newRollout = deployment.Status?.ObservedGeneration != deployment.Metadata.Generation;
        if (!newRollout && before?.Reason == "NewReplicaSetAvailable")
        {
            return before;
        }

        bool moved = newRollout || before is null || Moved(deployment.Status, status);
        DateTimeOffset since = WireTime.Read(before?.LastUpdateTime) ?? now;
        if (!moved && (before?.Reason == "ProgressDeadlineExceeded" || now - since >= Deadline(deployment)))
        {
            return Condition(deployment, "Progressing", "False", "ProgressDeadlineExceeded",
                $"ReplicaSet \"{name}\" has timed out progressing.", now, touched: false);
        }

        return Condition(deployment, "Progressing", "True", "ReplicaSetUpdated",
            $"ReplicaSet \"{name}\" is progressing.", now, touched: moved);
    }

    private static bool Moved(V1DeploymentStatus? before, V1DeploymentStatus after) =>
        (after.UpdatedReplicas ?? 0) > (before?.UpdatedReplicas ?? 0)
        || (after.ReadyReplicas ?? 0) > (before?.ReadyReplicas ?? 0)
        || (after.AvailableReplicas ?? 0) > (before?.AvailableReplicas ?? 0)
        || (after.Replicas - after.UpdatedReplicas ?? 0) < (before?.Replicas - before?.UpdatedReplicas ?? 0);

    private static V1DeploymentCondition Condition(
        V1Deployment deployment, string type, string value, string reason, string message, DateTimeOffset now, bool touched)
    {
        V1DeploymentCondition? before = deployment.Status?.Conditions?.FirstOrDefault(c => c.Type == type);
        bool same = before?.Status == value;
        bool identical = same && before?.Reason == reason && before.Message == message && !touched;
        return new V1DeploymentCondition
        {
            Type = type,
            Status = value,
            Reason = reason,
            Message = message,
            LastTransitionTime = same ? before!.LastTransitionTime : now.UtcDateTime, // same implies before
            LastUpdateTime = identical ? before!.LastUpdateTime : now.UtcDateTime,
        };
    }
}
