using System.Text.Json;
using System.Text.Json.Nodes;

namespace AiFabric.LocalCluster.Schema;

/// <summary>
/// Brings an object into its shape, in place: fields that the shape does not know go (and are reported), nulls that it does not allow go,
/// defaults come.
/// </summary>
internal static class SchemaDecoder
{
    /// <summary>Decodes a whole object.</summary>
    /// <returns>The paths of the fields that were unknown, in order.</returns>
    public static IReadOnlyList<string> Decode(SchemaNode? shape, JsonObject found, bool defaults = true)
    {
        var walk = new Walker(defaults);
        if (found["metadata"] is JsonObject metadata)
            Walk(BuiltInSchemas.Metadata, metadata, "metadata", walk);
        if (shape is not null)
            WalkMap(shape, found, "", walk, root: true);
        return walk.Unknown;
    }

    private static void Walk(SchemaNode shape, JsonNode? value, string path, Walker walk)
    {
        switch (value)
        {
            case JsonObject map:
                WalkMap(shape, map, path, walk, root: shape.EmbeddedResource);
                break;
            case JsonArray list when shape.Items is { } item:
                for (var i = 0; i < list.Count; i++)
                    Walk(item, list[i], $"{path}[{i}]", walk);
                break;
        }
    }

    private static void WalkMap(SchemaNode shape, JsonObject map, string path, Walker walk, bool root)
    {
        var keepAll = shape.PreserveUnknown || (shape.Type is null && shape.Properties.Count == 0 && shape.Values is null);
        foreach (var (name, value) in map.ToArray())
        {
            if (root && name is "apiVersion" or "kind" or "metadata")
                continue;
            var child = shape.Child(name);
            if (child is null)
            {
                if (keepAll)
                    continue;
                walk.Unknown.Add(Join(path, name));
                map.Remove(name);
            }
            else if (value is null)
            {
                // A null that the shape does not allow means "not set", so that a default can take its place.
                if (!child.Nullable && child != SchemaNode.Anything)
                    map.Remove(name);
            }
            else if (child.Format == "quantity" && value.GetValueKind() == JsonValueKind.Number)
            {
                map[name] = value.ToJsonString();
            }
            else
            {
                Walk(child, value, Join(path, name), walk);
            }
        }

        AddDefaults(shape, map, path, walk);
    }

    private static void AddDefaults(SchemaNode shape, JsonObject map, string path, Walker walk)
    {
        if (!walk.Defaults)
            return;
        foreach (var (name, child) in shape.Properties)
        {
            if (child.Default is null || map.ContainsKey(name))
                continue;
            var value = child.Default.DeepClone();
            Walk(child, value, Join(path, name), walk);
            map[name] = value;
        }
    }

    private static string Join(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";

    /// <summary>What a walk does and has found.</summary>
    private sealed record Walker(bool Defaults)
    {
        public List<string> Unknown { get; } = [];
    }
}
