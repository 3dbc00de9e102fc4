using System.Globalization;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Http;

/// <summary>The query parameters that the API's verbs share.</summary>
internal static class QueryOptions
{
    public static string? Text(this HttpRequest request, string name) =>
        request.Query.TryGetValue(name, out var value) && !string.IsNullOrEmpty(value) ? value.ToString() : null;

    public static bool Flag(this HttpRequest request, string name) => request.Text(name) is "true" or "1" or "True";

    public static long? Whole(this HttpRequest request, string name)
    {
        if (request.Text(name) is not { } text)
            return null;
        return long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw ApiException.BadRequest($"the query parameter {name}={text} is not a whole number");
    }

    /// <summary>fieldManager, dryRun and fieldValidation; the manager falls back to the client's program name, as in Kubernetes.</summary>
    public static WriteOptions WriteOptions(this HttpRequest request, ICollection<string> warnings)
    {
        var agent = request.Headers.UserAgent.ToString().Split('/')[0];
        return new()
        {
            FieldManager = request.Text("fieldManager") ?? (agent.Length > 0 ? agent : "unknown"),
            DryRun = DryRun(request),
            Validation = request.Text("fieldValidation") switch
            {
                null or "Warn" => FieldValidation.Warn,
                "Ignore" => FieldValidation.Ignore,
                "Strict" => FieldValidation.Strict,
                var other => throw ApiException.BadRequest($"fieldValidation: Unsupported value: \"{other}\": supported values: \"Ignore\", \"Warn\", \"Strict\""),
            },
            Warnings = warnings,
        };
    }

    /// <summary>The options of a deletion: the body's, then the query's.</summary>
    public static DeleteRequest DeleteRequest(this HttpRequest request, JsonObject? body) => new()
    {
        GracePeriodSeconds = body.Whole("gracePeriodSeconds") ?? request.Whole("gracePeriodSeconds"),
        PropagationPolicy = Propagation(body.Text("propagationPolicy") ?? request.Text("propagationPolicy")
            ?? (body.Flag("orphanDependents") || request.Flag("orphanDependents") ? "Orphan" : null)),
        Uid = body.Text("preconditions", "uid"),
        ResourceVersion = body.Text("preconditions", "resourceVersion"),
        DryRun = DryRun(request) || body.Items("dryRun") is { Count: > 0 },
    };

    private static string? Propagation(string? policy) => policy is null or "Foreground" or "Background" or "Orphan"
        ? policy
        : throw ApiException.InvalidOption("DeleteOptions", new(
            "FieldValueNotSupported", $"Unsupported value: \"{policy}\": supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"", "propagationPolicy"));

    private static bool DryRun(HttpRequest request) => request.Text("dryRun") switch
    {
        null => false,
        "All" => true,
        var other => throw ApiException.BadRequest($"dryRun: Unsupported value: \"{other}\": supported values: \"All\""),
    };
}
