using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Discovery;

namespace AiFabric.LocalCluster.Http;

/// <summary>/api, /apis, /openapi and /version.</summary>
internal sealed class DiscoveryEndpoints(DiscoveryDocuments documents, OpenApiV2 openApiV2, OpenApiV3 openApiV3)
{
    /// <summary>The Kubernetes version whose behaviour this server follows.</summary>
    public static JsonObject Version() => new()
    {
        ["major"] = "1",
        ["minor"] = "32",
        ["gitVersion"] = "v1.32.0-aifabric",
        ["gitCommit"] = "",
        ["gitTreeState"] = "clean",
        ["buildDate"] = "2025-01-01T00:00:00Z",
        ["goVersion"] = "none",
        ["compiler"] = "dotnet",
        ["platform"] = "linux/amd64",
    };

    /// <summary>Answers a discovery path; false when the path is another.</summary>
    public async Task<bool> TryAnswerAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var path = context.Request.Path.Value!.Trim('/');
        if (path == "openapi/v2")
        {
            await WriteV2Async(context, cancellationToken);
            return true;
        }

        var (found, type) = Find(path, context.Request.Headers.Accept.ToString());
        if (found is null)
            return false;
        await ResponseBody.WriteAsync(context.Response, 200, found, cancellationToken, type);
        return true;
    }

    private (JsonObject? Found, string Type) Find(string path, string accept)
    {
        if (path is "api" or "apis" && AggregatedVersion(accept) is { } version)
            return (documents.Aggregated(path == "api", version), $"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
        var found = path.Split('/') switch
        {
            ["api"] => DiscoveryDocuments.CoreVersions(),
            ["apis"] => documents.GroupList(),
            ["api", var core] => documents.Resources("", core),
            ["apis", var group] => documents.Group(group),
            ["apis", var group, var served] => documents.Resources(group, served),
            ["openapi", "v3"] => openApiV3.Index(),
            ["openapi", "v3", "api", var core] => openApiV3.Document("", core),
            ["openapi", "v3", "apis", var group, var served] => openApiV3.Document(group, served),
            _ => null,
        };
        return (found, "application/json");
    }

    private static string? AggregatedVersion(string accept) => accept.Split(',')
        .Where(entry => entry.Contains("g=apidiscovery.k8s.io", StringComparison.Ordinal))
        .SelectMany(entry => entry.Split(';', StringSplitOptions.TrimEntries))
        .FirstOrDefault(part => part is "v=v2" or "v=v2beta1")?[2..];

    private async Task WriteV2Async(HttpContext context, CancellationToken cancellationToken)
    {
        var document = openApiV2.Document();
        if (!context.Request.Headers.Accept.ToString().Contains("protobuf", StringComparison.Ordinal))
        {
            await ResponseBody.WriteAsync(context.Response, 200, document, cancellationToken);
            return;
        }

        var bytes = OpenApiV2Protobuf.Write(document);
        context.Response.ContentType = OpenApiV2Protobuf.MediaType;
        context.Response.ContentLength = bytes.Length;
        await context.Response.Body.WriteAsync(bytes, cancellationToken);
    }
}
