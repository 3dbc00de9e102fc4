using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace AiFabric.LocalCluster.Json;

/// <summary>Reads fields of an object by path. A missing field, or one of another type, reads as null.</summary>
internal static class JsonRead
{
    public static JsonNode? Field(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        foreach (var name in path)
        {
            if (node is not JsonObject map || !map.TryGetPropertyValue(name, out node))
                return null;
        }

        return node;
    }

    public static JsonObject? Map(this JsonNode? node, params ReadOnlySpan<string> path) => node.Field(path) as JsonObject;

    public static JsonArray? Items(this JsonNode? node, params ReadOnlySpan<string> path) => node.Field(path) as JsonArray;

    public static string? Text(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        var found = node.Field(path);
        return found is not null && found.GetValueKind() == JsonValueKind.String ? found.GetValue<string>() : null;
    }

    public static bool Flag(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.Field(path) is { } found && found.GetValueKind() == JsonValueKind.True;

    public static long? Whole(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        var found = node.Field(path);
        if (found is null || found.GetValueKind() != JsonValueKind.Number)
            return null;
        // The text form covers every way a number can be held (int, long, double, parsed).
        return double.TryParse(found.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            ? (long)value
            : null;
    }

    /// <summary>The object at a name, made when missing.</summary>
    public static JsonObject Ensure(this JsonObject map, string name)
    {
        if (map[name] is JsonObject found)
            return found;
        var made = new JsonObject();
        map[name] = made;
        return made;
    }

    public static JsonObject Clone(this JsonObject map) => (JsonObject)map.DeepClone();
}
