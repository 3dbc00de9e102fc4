using k8s.Models;

namespace AiFabric.LocalCluster.Controllers;

/// <summary>Readiness as a pod's conditions tell it.</summary>
internal static class PodReadiness
{
    public static bool IsReady(V1Pod pod) => Ready(pod)?.Status == "True";

    /// <summary>Zero when the pod has been ready for <paramref name="minReady"/>, null when it is not ready, else the time still missing.</summary>
    public static TimeSpan? UntilAvailable(V1Pod pod, TimeSpan minReady, DateTimeOffset now)
    {
        if (Ready(pod) is not { Status: "True" } ready)
        {
            return null;
        }

        TimeSpan left = (WireTime.Read(ready.LastTransitionTime) ?? now) + minReady - now;
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private static V1PodCondition? Ready(V1Pod pod) => pod.Status?.Conditions?.FirstOrDefault(c => c.Type == "Ready");
}
