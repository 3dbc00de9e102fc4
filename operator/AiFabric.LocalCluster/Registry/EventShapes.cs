using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry;

/// <summary>
/// Core and events.k8s.io events are one set of objects under two shapes, as in Kubernetes; the core shape is stored. Custom resources in
/// several versions differ by their apiVersion alone.
/// </summary>
internal static class EventShapes
{
    private static readonly (string Core, string Group)[] Names =
    [
        ("involvedObject", "regarding"), ("message", "note"), ("source", "deprecatedSource"), ("firstTimestamp", "deprecatedFirstTimestamp"),
        ("lastTimestamp", "deprecatedLastTimestamp"), ("count", "deprecatedCount"), ("reportingComponent", "reportingController"),
    ];

    /// <summary>The resource under which objects of a type are stored.</summary>
    public static string Stored(ResourceType type) => type.Resource == "events.events.k8s.io" ? "events" : type.Resource;

    /// <summary>Turns an object, in place, into the shape of <paramref name="type"/>.</summary>
    public static void Convert(JsonObject found, ResourceType type)
    {
        found["apiVersion"] = type.ApiVersion;
        if (type.Kind != "Event" || type.Plural != "events" || type.Group is not ("" or "events.k8s.io"))
            return;
        foreach (var (core, group) in Names)
        {
            var (from, to) = type.Group.Length == 0 ? (group, core) : (core, group);
            if (found.Field(from) is not { } value)
                continue;
            found.Remove(from);
            found[to] = value;
        }
    }

    /// <summary>The body as it is to be stored.</summary>
    public static JsonObject ForStorage(ResourceType type, JsonObject body)
    {
        if (type.Resource == "events.events.k8s.io")
            Convert(body, BuiltInTypes.Events);
        return body;
    }
}
