using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Http;

/// <summary>The subresources that only pods have: log, eviction and binding.</summary>
internal sealed class PodEndpoints(ClusterApi api, ObjectWriter writer, IPodLogs logs, TimeProvider clock, IHostApplicationLifetime lifetime)
{
    public async Task LogAsync(HttpContext context, ApiPath path, CancellationToken cancellationToken)
    {
        var request = Read(context.Request, path);
        var timestamps = context.Request.Flag("timestamps");
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
        context.Response.ContentType = "text/plain";
        try
        {
            await foreach (var line in logs.ReadAsync(request, both.Token))
            {
                var time = timestamps ? line.Time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'00Z '", CultureInfo.InvariantCulture) : "";
                await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes($"{time}{line.Text}\n"), both.Token);
                if (request.Follow)
                    await context.Response.Body.FlushAsync(both.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The reader left or the server stops: there is nobody to tell.
        }
    }

    public async Task EvictAsync(HttpContext context, ApiPath path, CancellationToken cancellationToken)
    {
        var body = await RequestBody.ReadObjectAsync(context.Request, cancellationToken);
        api.Delete(path.Entry.Type, path.Namespace, path.Name!, context.Request.DeleteRequest(body.Map("deleteOptions")));
        await ResponseBody.WriteAsync(context.Response, 201, Success(), cancellationToken);
    }

    public async Task BindAsync(HttpContext context, ApiPath path, CancellationToken cancellationToken)
    {
        var body = await RequestBody.ReadObjectAsync(context.Request, cancellationToken);
        var node = body.Text("target", "name") ?? throw ApiException.BadRequest("target.name: Required value: the node to bind the pod to");
        writer.Change(path.Entry.Type, path.Namespace, path.Name!, pod => Bind(path, pod, node), null, new() { FieldManager = "binding" });
        await ResponseBody.WriteAsync(context.Response, 201, Success(), cancellationToken);
    }

    private static JsonObject Bind(ApiPath path, JsonObject pod, string node)
    {
        if (pod.Text("spec", "nodeName") is { Length: > 0 } bound)
            throw ApiException.Conflict(path.Entry.Type, path.Name!, $"pod {path.Name} is already assigned to node \"{bound}\"");
        pod.Ensure("spec")["nodeName"] = node;
        return pod;
    }

    private PodLogRequest Read(HttpRequest request, ApiPath path)
    {
        var pod = api.Get(path.Entry.Type, path.Namespace, path.Name!) ?? throw ApiException.NotFound(path.Entry.Type, path.Name!);
        string[] lists = ["containers", "initContainers"];
        var names = lists.SelectMany(list => pod.Items("spec", list)?.Select(one => one.Text("name")!) ?? []).ToArray();
        var container = request.Text("container");
        if (container is null && pod.Items("spec", "containers") is { Count: > 1 })
            throw ApiException.BadRequest($"a container name must be specified for pod {path.Name}, choose one of: [{string.Join(' ', names)}]");
        container ??= names.FirstOrDefault() ?? "";
        if (!names.Contains(container))
            throw ApiException.BadRequest($"container {container} is not valid for pod {path.Name}");
        var since = request.Whole("sinceSeconds") is { } seconds
            ? clock.GetUtcNow() - TimeSpan.FromSeconds(seconds)
            : request.Text("sinceTime") is { } time ? DateTimeOffset.Parse(time, CultureInfo.InvariantCulture) : (DateTimeOffset?)null;
        return new(path.Namespace!, path.Name!, container)
        {
            TailLines = (int?)request.Whole("tailLines"),
            Follow = request.Flag("follow"),
            Previous = request.Flag("previous"),
            Since = since,
        };
    }

    private static JsonObject Success() => new()
    {
        ["kind"] = "Status",
        ["apiVersion"] = "v1",
        ["metadata"] = new JsonObject(),
        ["status"] = "Success",
        ["code"] = 201,
    };
}
