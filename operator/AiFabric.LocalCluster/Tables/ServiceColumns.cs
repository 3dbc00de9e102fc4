using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Tables;

internal static class ServiceColumns
{
    public static Column[] All { get; } =
    [
        Column.Text("Name", found => found.Text("metadata", "name")),
        Column.Text("Type", found => found.Text("spec", "type")),
        Column.Text("Cluster-IP", found => found.Text("spec", "clusterIP")),
        Column.Text("External-IP", found => found.Text("spec", "externalName") ?? BuiltInColumns.Joined(found.Items("status", "loadBalancer", "ingress"), "ip")),
        Column.Text("Port(s)", found => string.Join(',', found.Items("spec", "ports")?.Select(Port) ?? [])),
        new("Age", "string", 0, (found, now) => HumanDuration.Age(found, now)),
        Column.Text("Selector", found => BuiltInColumns.Labels(found.Map("spec", "selector")), 1),
    ];

    /// <summary>The ready addresses of core Endpoints.</summary>
    public static string Addresses(JsonObject found) => string.Join(',', (found.Items("subsets") ?? []).SelectMany(subset =>
        (subset.Items("addresses") ?? []).SelectMany(address =>
            (subset.Items("ports") ?? []).Select(port => $"{address.Text("ip")}:{port.Field("port")}"))).Take(3));

    /// <summary>The addresses of an EndpointSlice.</summary>
    public static string SliceAddresses(JsonObject found) => string.Join(',', (found.Items("endpoints") ?? [])
        .SelectMany(endpoint => endpoint.Items("addresses") ?? []).Select(address => address?.ToString()).Take(3));

    private static string Port(JsonNode? port) =>
        port.Whole("nodePort") is { } nodePort and not 0
            ? $"{port.Field("port")}:{nodePort}/{port.Text("protocol")}"
            : $"{port.Field("port")}/{port.Text("protocol")}";
}
