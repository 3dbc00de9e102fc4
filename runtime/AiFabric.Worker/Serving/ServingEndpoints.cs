using System.Text;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Hosting;

namespace AiFabric.Worker.Serving;

/// <summary>The routes of the serving port.</summary>
internal static class ServingEndpoints
{
    public static void Map(IEndpointRouteBuilder routes, WorkerState state, WorkerMetrics metrics)
    {
        var completions = routes.ServiceProvider.GetRequiredService<CompletionHandler>();
        routes.MapPost("/v1/chat/completions", completions.ChatAsync);
        routes.MapPost("/v1/completions", completions.TextAsync);
        routes.MapPost("/v1/embeddings", routes.ServiceProvider.GetRequiredService<EmbeddingHandler>().EmbedAsync);
        var tokens = routes.ServiceProvider.GetRequiredService<TokenHandler>();
        routes.MapPost("/tokenize", tokens.TokenizeAsync);
        routes.MapPost("/detokenize", tokens.DetokenizeAsync);
        routes.MapGet("/v1/models", context => ListAsync(context, state));
        routes.MapGet("/v1/models/{**id}", context => context.Response.WriteAsJsonAsync(
            state.Model.CardOf((string?)context.Request.RouteValues["id"] ?? ""), OpenAIJson.Default.ModelCard, cancellationToken: context.RequestAborted));
        var load = new RoutingLoad();
        routes.MapGet("/load", context => context.Response.WriteAsJsonAsync(
            load.Report(state.Model.Backend, context.Request.Query["since"]), ControlJson.Default.WorkerLoad, cancellationToken: context.RequestAborted));
        routes.MapGet("/health", context => context.Response.WriteAsync("alive\n", context.RequestAborted));
        routes.MapGet("/ready", context => ReadyAsync(context, state));
        routes.MapGet("/metrics", context => MetricsAsync(context, state, metrics));
    }

    private static Task ListAsync(HttpContext context, WorkerState state)
    {
        // By this list the gateway knows whom to send requests to.
        state.Invite();
        return context.Response.WriteAsJsonAsync(
            new ModelList { Data = state.Model.Cards() }, OpenAIJson.Default.ModelList, cancellationToken: context.RequestAborted);
    }

    private static Task ReadyAsync(HttpContext context, WorkerState state)
    {
        var (phase, reason) = (state.Phase, state.Reason);
        context.Response.StatusCode = phase == WorkerPhase.Ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(phase == WorkerPhase.Ready ? "ready\n" : $"{phase}: {reason}\n", context.RequestAborted);
    }

    private static async Task MetricsAsync(HttpContext context, WorkerState state, WorkerMetrics metrics)
    {
        if (state.TryGetModel(out var model))
            metrics.Refresh(model.Backend);
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        await context.Response.WriteAsync(await metrics.ExportAsync(context.RequestAborted), Encoding.UTF8, context.RequestAborted);
    }
}
