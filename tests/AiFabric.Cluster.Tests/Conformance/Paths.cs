using System.Globalization;
using System.Text.Json.Nodes;

namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>Paths into JSON: <c>a.b</c>, <c>a[0]</c>, <c>a[name=x]</c>, <c>a[*]</c> (all items); a field with dots in its name as <c>a['b.c']</c>.</summary>
internal static class Paths
{
    /// <summary>What a path leads to, as text; <c>(none)</c> where it leads nowhere.</summary>
    public static string Text(JsonNode? root, string path) => Find(root, path) switch
    {
        null => "(none)",
        JsonValue value => value.ToString(),
        var node => node.ToJsonString(),
    };

    public static JsonNode? Find(JsonNode? root, string path)
    {
        JsonNode? node = root;
        string rest = path;
        while (rest.Length > 0 && node is not null)
        {
            int end = rest[0] == '[' ? rest.IndexOf(']') + 1 : rest.IndexOfAny(['.', '[']) is var dot and >= 0 ? dot : rest.Length;
            string part = rest[..end];
            rest = rest[end..].TrimStart('.');
            if (part == "[*]")
                return new JsonArray([.. (node as JsonArray ?? []).Select(item => Find(item, rest)?.DeepClone())]);
            node = part[0] == '[' ? Item(node, part[1..^1]) : (node as JsonObject)?[part];
        }
        return node;
    }

    private static JsonNode? Item(JsonNode node, string selector)
    {
        if (selector[0] == '\'')
            return (node as JsonObject)?[selector.Trim('\'')];
        if (node is not JsonArray list)
            return null;
        if (int.TryParse(selector, CultureInfo.InvariantCulture, out int index))
            return index < list.Count ? list[index] : null;
        string[] pair = selector.Split('=', 2);
        return list.FirstOrDefault(item => item?[pair[0]]?.ToString() == pair[1]);
    }
}
