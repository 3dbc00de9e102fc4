using k8s.Models;

namespace AiFabric.Crds.Common;

/// <summary>Types of pod conditions that the operator writes.</summary>
public static class PodConditions
{
    /// <summary>
    /// Readiness gate of worker pods: every gateway replica routes to the pod. A pod is Ready, and a Deployment takes down its predecessor, only
    /// when this is True (docs/design/0005).
    /// </summary>
    public const string Routable = "aifabric.io/routable";
}

/// <summary>What a worker pod's conditions say. Pure.</summary>
public static class PodReadiness
{
    /// <summary>What a kubelet gives as the reason when only readiness gates keep a pod from being Ready.</summary>
    private const string OnlyGatesMissing = "ReadinessGatesNotReady";

    /// <summary>
    /// Whether requests may be sent to the pod: it is not on its way out, and it is Ready or lacks nothing but <see cref="PodConditions.Routable"/>,
    /// which asks whether somebody routes to it and so has to wait for this. ContainersReady alone would not do: for a node that is lost only Ready
    /// turns False.
    /// </summary>
    public static bool MayServe(V1Pod pod)
    {
        if (pod.Metadata.DeletionTimestamp is not null || pod.Status?.Phase is "Succeeded" or "Failed")
            return false;
        V1PodCondition? ready = Find(pod, "Ready");
        return ready?.Status == "True"
            || (ready?.Reason == OnlyGatesMissing && Holds(pod, "ContainersReady")
                && (pod.Spec?.ReadinessGates ?? []).All(gate => gate.ConditionType == PodConditions.Routable || Holds(pod, gate.ConditionType)));
    }

    /// <summary>Whether the pod has this condition and it is True.</summary>
    public static bool Holds(V1Pod pod, string condition) => Find(pod, condition)?.Status == "True";

    private static V1PodCondition? Find(V1Pod pod, string condition) => pod.Status?.Conditions?.FirstOrDefault(c => c.Type == condition);
}
