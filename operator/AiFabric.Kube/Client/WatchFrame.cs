using System.Net;
using System.Text.Json;
using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>One line of a watch: <c>{"type": ..., "object": ...}</c>.</summary>
internal static class WatchFrame
{
    /// <returns>The event; null for an object that <paramref name="read"/> skips and for event types not known here.</returns>
    /// <exception cref="KubernetesApiException">An ERROR event.</exception>
    /// <exception cref="JsonException">The line is not such a frame: the stream cannot be trusted any longer.</exception>
    public static WatchEvent<T>? Parse<T>(string line, Func<JsonElement, T?> read)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        using JsonDocument document = JsonDocument.Parse(line);
        JsonElement root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("type", out JsonElement type) || !root.TryGetProperty("object", out JsonElement body))
            throw new JsonException("A watch sent a line without type and object.");
        WatchEventKind? kind = type.GetString() switch
        {
            "ADDED" => WatchEventKind.Added,
            "MODIFIED" => WatchEventKind.Modified,
            "DELETED" => WatchEventKind.Deleted,
            "BOOKMARK" => WatchEventKind.Bookmark,
            "ERROR" => throw Error(body),
            _ => null,
        };
        if (kind is not { } known)
            return null;
        T? entity = known is WatchEventKind.Bookmark or WatchEventKind.Deleted ? ReadMetadata<T>(body) : read(body);
        return entity is null ? null : new WatchEvent<T>(known, entity);
    }

    /// <summary>The Status in <paramref name="text"/>; null when it holds something else.</summary>
    public static V1Status? ParseStatus(string text)
    {
        if (!text.AsSpan().TrimStart().StartsWith("{"))
            return null;
        try
        {
            V1Status status = KubernetesJson.Deserialize<V1Status>(text);
            return status?.Kind == "Status" ? status : null;
        }
        catch (JsonException)
        {
            return null; // Not a Status: the caller shows the text as it is.
        }
    }

    // A bookmark's object has nothing but metadata; the rest may be zero values that would not fit the type. Of a deleted object nothing else
    // counts: one that cannot be read has to leave all the same.
    private static T ReadMetadata<T>(JsonElement body)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        string metadata = body.TryGetProperty("metadata", out JsonElement m) ? m.GetRawText() : "{}";
        using JsonDocument bare = JsonDocument.Parse($"{{\"metadata\":{metadata}}}");
        return EntityJson.Read<T>(bare.RootElement);
    }

    private static KubernetesApiException Error(JsonElement body)
    {
        V1Status? status = ParseStatus(body.GetRawText());
        var code = (HttpStatusCode)(status?.Code ?? (int)HttpStatusCode.InternalServerError);
        return new(code, status, $"The watch ended with {(int)code} {status?.Reason}: {status?.Message ?? body.GetRawText()}");
    }
}
