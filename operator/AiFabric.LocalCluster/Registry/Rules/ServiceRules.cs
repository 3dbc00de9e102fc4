using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Storage;

namespace AiFabric.LocalCluster.Registry.Rules;

/// <summary>
/// Cluster addresses and node ports of services. Addresses come from 127.96.0.0/16: all of 127/8 is loopback, so a service proxy can
/// listen on them without any rights.
/// </summary>
internal static class ServiceRules
{
    /// <exception cref="ApiException">422: no ports though it has a cluster IP, or a cluster IP that would change.</exception>
    public static void Check(ResourceType type, JsonObject next, JsonObject? current)
    {
        var name = next.Text("metadata", "name") ?? "";
        var (kind, address) = (next.Text("spec", "type"), next.Text("spec", "clusterIP"));
        if (kind != "ExternalName" && address != "None" && !Ports(next).Any())
            throw ApiException.Invalid(type, name, [new("FieldValueRequired", "Required value", "spec.ports")]);
        if (kind != "ExternalName" && current?.Text("spec", "clusterIP") is { Length: > 0 } before && !string.IsNullOrEmpty(address) && address != before)
        {
            throw ApiException.Invalid(
                type, name, [new("FieldValueInvalid", $"Invalid value: [\"{address}\"]: may not change once set", "spec.clusterIPs[0]")]);
        }
    }

    public static void Allocate(JsonObject service, ObjectStore store)
    {
        var spec = service.Ensure("spec");
        if (spec.Text("type") == "ExternalName")
            return;
        var others = store.List("services", null).Items.Select(stored => JsonObject.Create(stored.Body)!).ToArray();
        if (string.IsNullOrEmpty(spec.Text("clusterIP")))
            spec["clusterIP"] = FreeAddress(others);
        spec["clusterIPs"] = new JsonArray(spec.Text("clusterIP"));
        spec["ipFamilies"] = new JsonArray("IPv4");
        spec["ipFamilyPolicy"] = "SingleStack";
        if (spec.Text("type") is not ("NodePort" or "LoadBalancer"))
            return;
        var used = others.SelectMany(Ports).Select(port => port.Whole("nodePort")).ToHashSet();
        foreach (var port in Ports(service).Where(port => port.Whole("nodePort") is null or 0))
        {
            var free = Enumerable.Range(30000, 2768).First(candidate => !used.Contains(candidate));
            used.Add(free);
            port["nodePort"] = free;
        }
    }

    /// <summary>An update that leaves allocated values out keeps them.</summary>
    public static void Keep(JsonObject next, JsonObject current)
    {
        var spec = next.Ensure("spec");
        if (string.IsNullOrEmpty(spec.Text("clusterIP")) && current.Text("spec", "clusterIP") is { } address)
            spec["clusterIP"] = address;
        foreach (var port in Ports(next).Where(port => port.Whole("nodePort") is null))
        {
            var before = Ports(current).FirstOrDefault(old => old.Whole("port") == port.Whole("port"));
            if (before.Whole("nodePort") is { } nodePort && spec.Text("type") is "NodePort" or "LoadBalancer")
                port["nodePort"] = before.Whole("nodePort");
        }
    }

    private static IEnumerable<JsonObject> Ports(JsonObject service) => service.Items("spec", "ports")?.OfType<JsonObject>() ?? [];

    private static string FreeAddress(IEnumerable<JsonObject> others)
    {
        var used = others.Select(other => other.Text("spec", "clusterIP")).ToHashSet();
        return Enumerable.Range(256, 65000).Select(i => $"127.96.{i >> 8}.{i & 255}")
            .First(address => !address.EndsWith(".0", StringComparison.Ordinal) && !used.Contains(address));
    }
}
