using AiFabric.Gateway.Pipelines;
using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Streaming;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.Http;

/// <summary>All routes of the public port.</summary>
public static class Endpoints
{
    public static void MapGateway(this WebApplication app)
    {
        // Taken from the root: a scope of services for each request would hold nothing.
        RequestDelegate complete = context => app.Services.GetRequiredService<CompletionForwarder>().HandleAsync(context);
        foreach (string path in (string[])["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/tokenize", "/detokenize"])
            app.MapPost(path, complete);
        app.MapGet("/v1/models", (RouteKeeper routes, PipelineCatalog pipelines, TimeProvider time) => Results.Json(List(routes.Table, pipelines, time), OpenAIJson.Default.ModelList));
        app.MapGet("/v1/models/{**id}", GetModelAsync);
        // For load balancers in front of the gateway, which probe the port that they send to. All else is on the internal port.
        app.MapGet("/readyz", (Readiness readiness) => readiness.Missing() is null
            ? Results.Text("ok")
            : Results.Text("not ready", statusCode: StatusCodes.Status503ServiceUnavailable));
        app.MapFallback(context => OpenAIError.NotFound(
            $"{context.Request.Method} {context.Request.Path} is not an endpoint of this gateway.").WriteAsync(context));
    }

    private static async Task GetModelAsync(HttpContext context, string id, RouteKeeper routes, PipelineCatalog pipelines, TimeProvider time)
    {
        id = ModelName.Unescaped(id);
        if (List(routes.Table, pipelines, time).Data.FirstOrDefault(m => m.Id == id) is { } card)
            await context.Response.WriteAsJsonAsync(card, OpenAIJson.Default.ModelCard, null, context.RequestAborted);
        else
            await OpenAIError.ModelNotFound(id).WriteAsync(context);
    }

    /// <summary>
    /// Models and adapters that answer: now, or, if they sleep while nobody asks, when they are asked. A name that two namespaces share is listed
    /// qualified.
    /// </summary>
    private static ModelList List(RoutingTable table, PipelineCatalog pipelines, TimeProvider time)
    {
        ILookup<ModelKey, WorkerEndpoint> workers = table.Workers.ToLookup(w => w.Pod.Model);
        ModelKey[] answering = [.. table.Models.Where(m => workers.Contains(m) || table.Declared[m].SleepsWhenIdle)];
        // A model's name wins over a pipeline's, which is then to be had by no name.
        ModelKey[] callable = [.. pipelines.All.Select(p => p.Key).Where(key => table.Find(ModelName.Parse(key.Name)) is RouteChoice.UnknownModel)];
        HashSet<string> shared = [.. answering.Select(table.ServedName).Concat(callable.Select(key => key.Name)).GroupBy(name => name).Where(g => g.Count() > 1).Select(g => g.Key)];
        long now = time.GetUtcNow().ToUnixTimeSeconds();
        return new ModelList
        {
            Data = [.. answering.SelectMany(model =>
            {
                string served = table.ServedName(model);
                string name = shared.Contains(served) ? $"{model.Namespace}/{served}" : served;
                IEnumerable<string> adapters = workers.Contains(model) ? workers[model].SelectMany(w => w.Adapters) : table.Declared[model].Adapters;
                return adapters.Distinct()
                    .Select(a => new ModelCard { Id = $"{name}:{a}", Created = now, Parent = name })
                    .Prepend(new ModelCard { Id = name, Created = now });
            }).Concat(callable.Select(key => new ModelCard { Id = shared.Contains(key.Name) ? $"{key.Namespace}/{key.Name}" : key.Name, Created = now })).OrderBy(m => m.Id, StringComparer.Ordinal)],
        };
    }
}
