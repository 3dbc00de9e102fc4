using System.Text.Json.Nodes;

namespace AiFabric.Tests.Kube;

/// <summary>A request as the fake API server understood it.</summary>
internal sealed record FakeRequest(
    string Method, string Path, string? Namespace, string CollectionPath, string? Name, string? Subresource, string? ContentType,
    IReadOnlyDictionary<string, string> Query, string? Body)
{
    public bool IsWatch => Method == "GET" && Query.ContainsKey("watch");

    public bool IsList => Method == "GET" && Name is null && !IsWatch;

    public bool IsApply => ContentType == "application/apply-patch+yaml";

    public string ObjectPath => Subresource is null ? Path : Path[..Path.LastIndexOf('/')];

    public JsonNode Json => JsonNode.Parse(Body!)!;

    public static FakeRequest Of(HttpRequestMessage request, string? body)
    {
        Uri uri = request.RequestUri!;
        var query = uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries)
            .Select(pair => pair.Split('=', 2)).ToDictionary(pair => pair[0], pair => Uri.UnescapeDataString(pair[1]));
        List<string> parts = [.. uri.AbsolutePath.Split('/', StringSplitOptions.RemoveEmptyEntries)];
        int head = parts[0] == "api" ? 2 : 3;
        string? space = null;
        // "namespaces/x" alone is the object x of the kind namespaces.
        if (parts.Count > head + 2 && parts[head] == "namespaces")
        {
            space = parts[head + 1];
            parts.RemoveRange(head, 2);
        }
        return new(
            request.Method.Method, uri.AbsolutePath, space, "/" + string.Join('/', parts.Take(head + 1)), parts.ElementAtOrDefault(head + 1),
            parts.ElementAtOrDefault(head + 2), request.Content?.Headers.ContentType?.MediaType, query, body);
    }

    /// <summary>The path of the collection over all namespaces to which an object's path belongs.</summary>
    public static string CollectionOf(string objectPath)
    {
        List<string> parts = [.. objectPath.Split('/', StringSplitOptions.RemoveEmptyEntries)];
        int head = parts[0] == "api" ? 2 : 3;
        if (parts.Count > head + 2 && parts[head] == "namespaces")
            parts.RemoveRange(head, 2);
        return "/" + string.Join('/', parts.Take(head + 1));
    }

    /// <summary>RFC 7396.</summary>
    public static void Merge(JsonObject target, JsonObject patch)
    {
        foreach ((string name, JsonNode? value) in patch)
        {
            if (value is null)
                target.Remove(name);
            else if (value is JsonObject inner && target[name] is JsonObject existing)
                Merge(existing, inner);
            else
                target[name] = value.DeepClone();
        }
    }
}
