using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Http;

/// <summary>Access reviews: whoever holds the cluster's token may do everything.</summary>
internal static class ReviewEndpoints
{
    /// <summary>Answers a review; false when the path is another.</summary>
    public static async Task<bool> TryAnswerAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var parts = context.Request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (parts is not ["apis", "authorization.k8s.io" or "authentication.k8s.io", "v1", .., var plural])
            return false;
        if (Status(plural) is not { } status)
            return false;
        if (!HttpMethods.IsPost(context.Request.Method))
            throw ApiException.MethodNotAllowed();
        var review = await RequestBody.ReadObjectAsync(context.Request, cancellationToken) ?? [];
        review["status"] = status;
        await ResponseBody.WriteAsync(context.Response, 201, review, cancellationToken);
        return true;
    }

    private static JsonObject? Status(string plural) => plural switch
    {
        "selfsubjectaccessreviews" or "subjectaccessreviews" or "localsubjectaccessreviews" =>
            new() { ["allowed"] = true, ["reason"] = "the local cluster has one user, who may do everything" },
        "selfsubjectrulesreviews" => new()
        {
            ["resourceRules"] = new JsonArray(new JsonObject
            {
                ["verbs"] = new JsonArray("*"),
                ["apiGroups"] = new JsonArray("*"),
                ["resources"] = new JsonArray("*"),
            }),
            ["nonResourceRules"] = new JsonArray(new JsonObject { ["verbs"] = new JsonArray("*"), ["nonResourceURLs"] = new JsonArray("*") }),
            ["incomplete"] = false,
        },
        "selfsubjectreviews" => new() { ["userInfo"] = User() },
        "tokenreviews" => new() { ["authenticated"] = true, ["user"] = User() },
        _ => null,
    };

    private static JsonObject User() => new()
    {
        ["username"] = "aifabric",
        ["groups"] = new JsonArray("system:masters", "system:authenticated"),
    };
}
