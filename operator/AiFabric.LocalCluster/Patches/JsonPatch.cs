using System.Globalization;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Patches;

/// <summary>JSON patch, RFC 6902, over JSON pointers, RFC 6901.</summary>
internal static class JsonPatch
{
    /// <summary>The patched copy of an object.</summary>
    /// <exception cref="ApiException">400 for a malformed patch, 422 when an operation does not fit the object.</exception>
    public static JsonObject Apply(JsonObject target, JsonNode? patch)
    {
        if (patch is not JsonArray operations)
            throw ApiException.BadRequest("a JSON patch must be a list of operations");
        // The object hangs in a holder, so that the empty pointer (the whole object) has a parent too.
        var holder = new JsonObject { [""] = target.DeepClone() };
        foreach (var operation in operations)
            ApplyOne(holder, operation as JsonObject ?? throw ApiException.BadRequest("a JSON patch operation must be an object"));
        return holder[""] as JsonObject ?? throw Refuse("the patch does not leave an object");
    }

    private static void ApplyOne(JsonObject holder, JsonObject operation)
    {
        var path = Pointer(operation.Text("path") ?? throw ApiException.BadRequest("a JSON patch operation needs a path"));
        switch (operation.Text("op"))
        {
            case "add":
                Add(holder, path, Value(operation));
                break;
            case "remove":
                Remove(holder, path);
                break;
            case "replace":
                Replace(holder, path, Value(operation));
                break;
            case "move":
                Add(holder, path, Remove(holder, Pointer(operation.Text("from") ?? "")));
                break;
            case "copy":
                Add(holder, path, Get(holder, Pointer(operation.Text("from") ?? ""))?.DeepClone());
                break;
            case "test":
                if (!JsonNode.DeepEquals(Get(holder, path), operation["value"]))
                    throw Refuse($"the test of {operation.Text("path")} failed");
                break;
            case var other:
                throw ApiException.BadRequest($"unknown JSON patch operation \"{other}\"");
        }
    }

    private static JsonNode? Value(JsonObject operation) => operation.ContainsKey("value")
        ? operation["value"]?.DeepClone()
        : throw ApiException.BadRequest("a JSON patch operation of this kind needs a value");

    private static string[] Pointer(string text)
    {
        if (text.Length > 0 && text[0] != '/')
            throw ApiException.BadRequest($"the JSON pointer \"{text}\" must start with /");
        return text.Split('/').Select(part =>
            part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)).ToArray();
    }

    private static void Add(JsonObject holder, string[] path, JsonNode? value)
    {
        switch (Parent(holder, path))
        {
            case JsonObject map:
                map[path[^1]] = value;
                break;
            case JsonArray list:
                list.Insert(path[^1] == "-" ? list.Count : Index(list, path[^1], list.Count), value);
                break;
            default:
                throw Missing(path);
        }
    }

    private static JsonNode? Remove(JsonObject holder, string[] path)
    {
        var found = Get(holder, path);
        switch (Parent(holder, path))
        {
            case JsonObject map:
                map.Remove(path[^1]);
                break;
            case JsonArray list:
                list.RemoveAt(Index(list, path[^1], list.Count - 1));
                break;
        }

        return found;
    }

    private static void Replace(JsonObject holder, string[] path, JsonNode? value)
    {
        Get(holder, path);
        switch (Parent(holder, path))
        {
            case JsonObject map:
                map[path[^1]] = value;
                break;
            case JsonArray list:
                list[Index(list, path[^1], list.Count - 1)] = value;
                break;
        }
    }

    private static JsonNode? Get(JsonObject holder, string[] path) => Parent(holder, path) switch
    {
        JsonObject map when map.TryGetPropertyValue(path[^1], out var value) => value,
        JsonArray list => list[Index(list, path[^1], list.Count - 1)],
        _ => throw Missing(path),
    };

    private static JsonNode? Parent(JsonObject holder, string[] path)
    {
        JsonNode? node = holder;
        foreach (var part in path[..^1])
        {
            node = node switch
            {
                JsonObject map when map.TryGetPropertyValue(part, out var value) => value,
                JsonArray list => list[Index(list, part, list.Count - 1)],
                _ => throw Missing(path),
            };
        }

        return node;
    }

    private static int Index(JsonArray list, string text, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var index) && index <= most && index <= list.Count
            ? index
            : throw Refuse($"the index {text} is outside the list");

    private static ApiException Missing(string[] path) => Refuse($"the path {string.Join('/', path)} does not exist");

    private static ApiException Refuse(string why) => new(422, "Invalid", $"the server rejected our request due to an error in our request: {why}");
}
