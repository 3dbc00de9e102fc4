using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Http;

/// <summary>Reads request bodies: JSON, or YAML or protobuf where the content type says so.</summary>
internal static class RequestBody
{
    /// <summary>As etcd's default: Kubernetes refuses larger objects too.</summary>
    public const long MaxBytes = 3 * 1024 * 1024;

    private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false };

    /// <summary>The body as an object; null when it is empty.</summary>
    /// <exception cref="ApiException">400 malformed, 413 too large, 415 another format.</exception>
    public static async Task<JsonObject?> ReadObjectAsync(HttpRequest request, CancellationToken cancellationToken) =>
        await ReadAsync(request, cancellationToken) switch
        {
            null => null,
            JsonObject body => body,
            _ => throw ApiException.BadRequest("the request's body must be an object"),
        };

    /// <summary>The body as any value; null when it is empty.</summary>
    public static async Task<JsonNode?> ReadAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        var type = request.ContentType ?? "application/json";
        if (type.Contains("cbor", StringComparison.Ordinal))
        {
            throw new ApiException(
                415, "UnsupportedMediaType", $"the body of the request was in an unknown format - accepted media types include: application/json, application/yaml (got {type})");
        }

        var bytes = await ReadBytesAsync(request, cancellationToken);
        if (bytes.Length == 0)
            return null;
        try
        {
            if (type.Contains("protobuf", StringComparison.Ordinal))
                return ProtobufBody.Parse(bytes);
            return type.Contains("yaml", StringComparison.Ordinal)
                ? YamlBody.Parse(bytes)
                : JsonNode.Parse(bytes, documentOptions: Options);
        }
        catch (JsonException problem)
        {
            throw ApiException.BadRequest($"the body of the request is malformed: {problem.Message}");
        }
    }

    private static async Task<byte[]> ReadBytesAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        if (request.ContentLength > MaxBytes)
            throw TooLarge();
        using var memory = new MemoryStream();
        var buffer = new byte[64 * 1024];
        int read;
        while ((read = await request.Body.ReadAsync(buffer, cancellationToken)) > 0)
        {
            await memory.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            if (memory.Length > MaxBytes)
                throw TooLarge();
        }

        return memory.ToArray();
    }

    private static ApiException TooLarge() =>
        new(413, "RequestEntityTooLarge", $"Request entity too large: limit is {MaxBytes} bytes");
}
