using AiFabric.Operator.Conditions;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Operator.Gateways;

/// <summary>What one gateway replica routes to, or why that is not known.</summary>
internal sealed record GatewayReplica(string Name, RouteReport? Report, string? Error = null);

/// <summary>What all gateway replicas route to.</summary>
internal sealed record GatewayView(IReadOnlyList<GatewayReplica> Replicas)
{
    public static GatewayView None { get; } = new([]);

    /// <summary>Whether every replica routes to this very pod, in the revision it has now.</summary>
    public bool Routes(WorkerPod pod) => Replicas.Count > 0 && Replicas.All(replica => Find(replica, pod) is not null);

    /// <summary>Whether every replica routes this adapter's requests to this pod.</summary>
    public bool RoutesAdapter(WorkerPod pod, string adapter) =>
        Replicas.Count > 0 && Replicas.All(replica => Find(replica, pod)?.Adapters.Contains(adapter) == true);

    /// <summary>Whether the gateways are there and answer, so that what they say is all there is.</summary>
    public Check Answering()
    {
        if (Replicas.Count == 0)
            return Check.Fail(Reasons.NoGateway, "no gateway is running, so nothing reaches the model");
        GatewayReplica? silent = Replicas.FirstOrDefault(replica => replica.Report is null);
        return silent is null ? Check.Pass : Check.Fail(Reasons.GatewayUnreachable, $"gateway {silent.Name} does not answer: {silent.Error}");
    }

    private static RouteEntry? Find(GatewayReplica replica, WorkerPod pod) =>
        replica.Report?.Routes.FirstOrDefault(route => route.PodUid == pod.Uid && route.Revision == pod.Revision);
}
