using AiFabric.Gateway.Routing;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Traffic;

/// <summary>Tells the operator by which canaries and mirrors this replica routes. Pure.</summary>
public static class TrafficReport
{
    /// <returns>Null for none.</returns>
    public static IReadOnlyList<TrafficEntry>? Of(RoutingTable table)
    {
        TrafficEntry[] entries =
        [
            .. from declared in table.Declared
               orderby declared.Key.Namespace, declared.Key.Name
               from entry in new[] { Entry(table, declared.Key, declared.Value.Canary, isMirror: false), Entry(table, declared.Key, declared.Value.Mirror, isMirror: true) }
               where entry is not null
               select entry,
        ];
        return entries.Length == 0 ? null : entries;
    }

    private static TrafficEntry? Entry(RoutingTable table, ModelKey model, TrafficShare? share, bool isMirror) => share is null
        ? null
        : new TrafficEntry
        {
            Namespace = model.Namespace,
            Model = model.Name,
            IsMirror = isMirror,
            Target = share.Model.Name,
            Adapter = share.Adapter,
            Percent = share.Percent,
            IsReady = table.Of(share.Model, share.Adapter) is RouteChoice.To,
        };
}
