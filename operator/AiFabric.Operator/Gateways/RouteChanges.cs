using AiFabric.Kube;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Operator.Gateways;

/// <summary>Tells whose routes differ between two answers of the gateways. Pure.</summary>
internal static class RouteChanges
{
    /// <summary>The models of which a gateway replica began or ceased to route a pod, a revision, an adapter, or a part of the requests to another model.</summary>
    public static IReadOnlySet<NamespacedName> Between(GatewayView before, GatewayView after)
    {
        var changed = new HashSet<NamespacedName>();
        if (ReferenceEquals(before, after))
            return changed;
        Dictionary<string, GatewayReplica> old = before.Replicas.ToDictionary(replica => replica.Name);
        foreach (GatewayReplica replica in after.Replicas)
        {
            old.Remove(replica.Name, out GatewayReplica? same);
            Compare(same, replica, changed);
        }
        foreach (GatewayReplica gone in old.Values)
            Compare(gone, null, changed);
        return changed;
    }

    private static void Compare(GatewayReplica? before, GatewayReplica? after, HashSet<NamespacedName> changed)
    {
        var old = new Dictionary<string, RouteEntry>();
        foreach (RouteEntry route in before?.Report?.Routes ?? [])
            old[route.PodUid] = route;
        foreach (RouteEntry route in after?.Report?.Routes ?? [])
        {
            if (!old.Remove(route.PodUid, out RouteEntry? same) || same.Revision != route.Revision || !same.Adapters.SequenceEqual(route.Adapters))
                changed.Add(Model(route));
        }
        foreach (RouteEntry gone in old.Values)
            changed.Add(Model(gone));
        HashSet<TrafficEntry> traffic = [.. before?.Report?.Traffic ?? []];
        traffic.SymmetricExceptWith(after?.Report?.Traffic ?? []);
        changed.UnionWith(traffic.Select(entry => new NamespacedName(entry.Namespace, entry.Model)));
    }

    private static NamespacedName Model(RouteEntry route) => new(route.Namespace, route.Model);
}
