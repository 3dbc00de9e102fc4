using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry;

/// <summary>Which part of an object a write through a subresource may change, and the Scale view of an object.</summary>
internal static class Subresources
{
    /// <summary>The object that a write leads to: <paramref name="wanted"/> where the endpoint may write, else the current one.</summary>
    public static JsonObject Combine(JsonObject current, JsonObject wanted, TypeEntry entry, string? subresource)
    {
        if (subresource is null)
        {
            if (entry.HasStatus)
                Take(wanted, current, "status");
            return wanted;
        }

        var next = current.Clone();
        if (wanted.Field("metadata", "managedFields") is { } managed)
            next.Ensure("metadata")["managedFields"] = managed.DeepClone();
        switch (subresource)
        {
            case "status":
                Take(next, wanted, "status");
                return next;
            case "scale":
                // The caller has put the replicas into a copy of the current object.
                return wanted;
            case "finalize":
                Take(next, wanted, "spec");
                return next;
            default:
                throw ApiException.NoSuchPath();
        }
    }

    /// <summary>The <c>Scale</c> of an object.</summary>
    public static JsonObject ToScale(TypeEntry entry, JsonObject found)
    {
        var metadata = found.Map("metadata");
        var scale = new JsonObject
        {
            ["kind"] = "Scale",
            ["apiVersion"] = "autoscaling/v1",
            ["metadata"] = new JsonObject(),
            ["spec"] = new JsonObject(),
            ["status"] = new JsonObject { ["replicas"] = found.Whole(Path(entry, "statusReplicasPath", ".status.replicas")) ?? 0 },
        };
        // As in Kubernetes, wanting none is told by leaving the number out.
        if (found.Whole(Path(entry, "specReplicasPath", ".spec.replicas")) is { } wanted and not 0)
            scale["spec"]!["replicas"] = wanted;
        foreach (var field in (string[])["name", "namespace", "uid", "resourceVersion", "creationTimestamp"])
        {
            if (metadata.Field(field) is { } value)
                scale["metadata"]![field] = value.DeepClone();
        }

        if (SelectorText(entry, found) is { Length: > 0 } selector)
            scale["status"]!["selector"] = selector;
        return scale;
    }

    /// <summary>The object with the replicas that a <c>Scale</c> asks for.</summary>
    public static JsonObject FromScale(TypeEntry entry, JsonObject found, JsonObject scale)
    {
        var next = found.Clone();
        var replicas = scale.Field("spec", "replicas") is null ? 0 : scale.Whole("spec", "replicas") ?? -1;
        if (replicas < 0)
        {
            throw ApiException.Invalid(entry.Type, found.Text("metadata", "name") ?? "", [new(
                "FieldValueInvalid", "Invalid value: must be a whole number greater than or equal to 0", "spec.replicas")]);
        }

        var path = Path(entry, "specReplicasPath", ".spec.replicas");
        var place = next;
        foreach (var name in path[..^1])
            place = place.Ensure(name);
        place[path[^1]] = replicas;
        if (scale.Text("metadata", "resourceVersion") is { Length: > 0 } version)
            next.Ensure("metadata")["resourceVersion"] = version;
        return next;
    }

    private static string? SelectorText(TypeEntry entry, JsonObject found)
    {
        if (entry.Scale is { } scale)
            return scale.Text("labelSelectorPath") is { } path ? found.Text(Segments(path)) : null;
        var labels = found.Map("spec", "selector", "matchLabels") ?? found.Map("spec", "selector");
        return labels is null ? null : string.Join(',', labels.Where(pair => pair.Value is JsonValue).Select(pair => $"{pair.Key}={pair.Value}"));
    }

    private static string[] Path(TypeEntry entry, string name, string otherwise) => Segments(entry.Scale.Text(name) ?? otherwise);

    private static string[] Segments(string path) => path.Split('.', StringSplitOptions.RemoveEmptyEntries);

    private static void Take(JsonObject to, JsonObject from, string field)
    {
        if (from.Field(field) is { } value)
            to[field] = value.DeepClone();
        else
            to.Remove(field);
    }
}
