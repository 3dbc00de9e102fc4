using AiFabric.LocalCluster.Registry;
using AiFabric.LocalCluster.Security;

namespace AiFabric.LocalCluster.Http;

/// <summary>
/// Every request, in this order: (1) health and version, open to all (2) the token (3) discovery and reviews (4) resources by path and
/// verb (5) refusals as Status objects.
/// </summary>
internal sealed class ApiServer(
    TypeRegistry types,
    ClusterAccess access,
    DiscoveryEndpoints discovery,
    ReadEndpoints reads,
    WatchEndpoint watches,
    WriteEndpoints writes,
    PodEndpoints pods,
    ILogger<ApiServer> log)
{
    public async Task HandleAsync(HttpContext context)
    {
        var cancellationToken = context.RequestAborted;
        try
        {
            await RouteAsync(context, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The client is gone; there is nobody to answer.
        }
        catch (ApiException problem)
        {
            await RefuseAsync(context, problem, cancellationToken);
        }
        catch (BadHttpRequestException problem)
        {
            await RefuseAsync(context, ApiException.BadRequest(problem.Message), cancellationToken);
        }
#pragma warning disable CA1031 // The top of a request: whatever else fails is logged and answered, and the server lives on.
        catch (Exception problem)
#pragma warning restore CA1031
        {
            Log.RequestFailed(log, problem, context.Request.Method, context.Request.Path);
            await RefuseAsync(context, new(500, "InternalError", $"Internal error occurred: {problem.Message}"), cancellationToken);
        }
    }

    private static async Task RefuseAsync(HttpContext context, ApiException problem, CancellationToken cancellationToken)
    {
        if (!context.Response.HasStarted)
            await ResponseBody.WriteAsync(context.Response, problem.Code, problem.ToStatus(), cancellationToken);
    }

    private async Task RouteAsync(HttpContext context, CancellationToken cancellationToken)
    {
        var path = context.Request.Path.Value ?? "/";
        switch (path.TrimEnd('/'))
        {
            case "/healthz" or "/livez" or "/readyz":
                await context.Response.WriteAsync("ok", cancellationToken);
                return;
            case "/version":
                await ResponseBody.WriteAsync(context.Response, 200, DiscoveryEndpoints.Version(), cancellationToken);
                return;
        }

        if (!access.Accepts(context.Request.Headers.Authorization))
            throw new ApiException(401, "Unauthorized", "Unauthorized");
        if (HttpMethods.IsGet(context.Request.Method) && await discovery.TryAnswerAsync(context, cancellationToken))
            return;
        if (await ReviewEndpoints.TryAnswerAsync(context, cancellationToken))
            return;
        var target = ApiPath.Parse(path, types) ?? throw NotServed(path);
        await (target.Name is null ? CollectionAsync(context, target, cancellationToken) : ObjectAsync(context, target, cancellationToken));
    }

    private static ApiException NotServed(string path) =>
        path.Split('/', StringSplitOptions.RemoveEmptyEntries) is ["api", "v1", "namespaces", _, "pods", _, ("exec" or "attach" or "portforward") and var what]
            ? ApiException.NoStreams(what)
            : ApiException.NoSuchPath();

    private Task CollectionAsync(HttpContext context, ApiPath target, CancellationToken cancellationToken)
    {
        // A create needs its namespace in the path; only lists and watches may span all.
        var spansAll = target.Entry.Type.Namespaced && target.Namespace is null;
        return context.Request.Method switch
        {
            "GET" when context.Request.Flag("watch") => watches.WatchAsync(context, target, cancellationToken),
            "GET" => reads.ListAsync(context, target, cancellationToken),
            "POST" when !spansAll => writes.CreateAsync(context, target, cancellationToken),
            "DELETE" when !spansAll => writes.DeleteCollectionAsync(context, target, cancellationToken),
            _ => throw ApiException.MethodNotAllowed(),
        };
    }

    private Task ObjectAsync(HttpContext context, ApiPath target, CancellationToken cancellationToken) =>
        (context.Request.Method, target.Subresource) switch
        {
            ("GET", "log") => pods.LogAsync(context, target, cancellationToken),
            ("POST", "eviction") => pods.EvictAsync(context, target, cancellationToken),
            ("POST", "binding") => pods.BindAsync(context, target, cancellationToken),
            (_, "log" or "eviction" or "binding") => throw ApiException.MethodNotAllowed(),
            ("GET", _) => reads.GetAsync(context, target, cancellationToken),
            ("PUT", _) => writes.UpdateAsync(context, target, cancellationToken),
            ("PATCH", _) => writes.PatchAsync(context, target, cancellationToken),
            ("DELETE", null) => writes.DeleteAsync(context, target, cancellationToken),
            _ => throw ApiException.MethodNotAllowed(),
        };
}
