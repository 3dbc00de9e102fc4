using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace AiFabric.LocalCluster.Http;

/// <summary>Writes JSON answers.</summary>
internal static class ResponseBody
{
    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Bytes(JsonNode node) => JsonSerializer.SerializeToUtf8Bytes(node, Options);

    public static async Task WriteAsync(HttpResponse response, int code, JsonNode node, CancellationToken cancellationToken, string type = "application/json")
    {
        var bytes = Bytes(node);
        response.StatusCode = code;
        response.ContentType = type;
        response.ContentLength = bytes.Length;
        await response.Body.WriteAsync(bytes, cancellationToken);
    }

    /// <summary>Adds the warnings as headers, each once.</summary>
    public static void Warn(HttpResponse response, IEnumerable<string> warnings)
    {
        foreach (var warning in warnings.Distinct())
            response.Headers.Append("Warning", $"299 - \"{warning.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"");
    }
}
