using AiFabric.Operator.Conditions;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Operator.Models;

/// <summary>A worker pod's readiness gate that has to be written.</summary>
internal sealed record GateChange(WorkerPod Pod, bool Routable, string Reason, string Message);

/// <summary>
/// Decides when a pod counts as routable (docs/design/0005). Pure. It becomes so when every gateway replica routes to it, with every adapter that
/// it routes to the model's other pods; it stays so until its containers fail, for a gateway's own troubles must not take workers down.
/// </summary>
internal static class RoutableGate
{
    public static IReadOnlyList<GateChange> Plan(ModelObservation observed) =>
        [.. observed.Pods.Where(pod => pod.Gated && !pod.Terminating).Select(pod => Change(pod, observed)).OfType<GateChange>()];

    /// <summary>What keeps the gateways from routing to a ready pod all that it should take over; passes when nothing does.</summary>
    public static Check Routed(WorkerPod pod, ModelObservation observed)
    {
        GatewayView gateways = observed.Gateways;
        Check answering = gateways.Answering();
        if (!answering.Holds)
            return answering;
        foreach (GatewayReplica gateway in gateways.Replicas)
        {
            RouteEntry[] routes = [.. gateway.RoutesTo(pod.Namespace, pod.Model)];
            RouteEntry? own = routes.FirstOrDefault(route => route.PodUid == pod.Uid && route.Revision == pod.Revision);
            if (own is null)
                return Check.Fail(Reasons.NotRouted, $"gateway {gateway.Name} does not route to pod {pod.Name} yet");
            // Else a rollout would take down the last pod that answers for an adapter.
            string? missing = routes.SelectMany(route => route.Adapters).Except(own.Adapters).Order(StringComparer.Ordinal).FirstOrDefault();
            if (missing is not null)
                return Check.Fail(Reasons.NotRouted, $"gateway {gateway.Name} does not route adapter {missing} to pod {pod.Name} yet");
        }
        return Check.Pass;
    }

    private static GateChange? Change(WorkerPod pod, ModelObservation observed)
    {
        if (!pod.Ready)
            return pod.Routable ? new GateChange(pod, false, Reasons.Loading, "the worker is not ready") : null;
        return !pod.Routable && Routed(pod, observed).Holds
            ? new GateChange(pod, true, Reasons.Routed, "every gateway replica routes to the pod")
            : null;
    }
}
