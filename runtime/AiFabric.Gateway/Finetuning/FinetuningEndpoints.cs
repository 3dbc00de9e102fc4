using AiFabric.Gateway.Finetuning.Files;
using AiFabric.Gateway.Finetuning.Orders;
using AiFabric.Gateway.Http;
using AiFabric.Protocol;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Finetuning;

/// <summary>Routes and services of OpenAI's finetuning.</summary>
internal static class FinetuningEndpoints
{
    public static void AddFinetuning(this IServiceCollection services) => services
        .AddSingleton<FileStore>().AddSingleton<UploadReader>().AddSingleton<OrderStore>().AddSingleton<OrderReader>()
        .AddSingleton<OrderKeeper>().AddHostedService(provider => provider.GetRequiredService<OrderKeeper>());

    /// <summary>For clients.</summary>
    public static void MapFinetuning(this WebApplication app)
    {
        foreach (string path in (string[])["/v1/files", "/v1/fine_tuning/jobs"])
        {
            RouteGroupBuilder group = app.MapGroup(path);
            if (app.Services.GetRequiredService<IOptions<GatewayOptions>>().Value.FilesFolder is null)
                group.Map("/{**rest}", context => Disabled.WriteAsync(context));
            else if (path == "/v1/files")
                FileEndpoints.Map(group.AddEndpointFilter(TellFullDiskAsync));
            else
                JobEndpoints.Map(group.AddEndpointFilter(TellFullDiskAsync));
        }
    }

    /// <summary>For workers, which fetch training files, and for the operator.</summary>
    public static void MapInternal(IEndpointRouteBuilder app, FileStore files, OrderKeeper keeper)
    {
        app.MapMethods("/internal/files/{id}/{key}/content.jsonl", [HttpMethods.Get, HttpMethods.Head], (HttpContext context, string id, string key) =>
            files.Fetch(id, key) is { } path ? FileEndpoints.SendAsync(context, path) : FileEndpoints.Unknown(id).WriteAsync(context));
        app.MapGet("/internal/finetuning", (HttpContext context) => Answer.WriteAsync(context, keeper.Report(), ControlJson.Default.FinetuneOrders));
        app.MapPost("/internal/finetuning/{id}/refusal", async (HttpContext context, string id) =>
        {
            if (await context.Request.ReadFromJsonAsync(ControlJson.Default.OrderRefusal, context.RequestAborted) is { } refusal && keeper.Open(id) is { } order)
                keeper.Refuse(order, refusal.Message);
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        });
    }

    private static OpenAIError Disabled => new(
        StatusCodes.Status501NotImplemented, "server_error", "This gateway keeps no files, which finetuning needs: whoever runs it must set Gateway:FilesFolder (chart: gateway.files).", "files_disabled");

    private static async ValueTask<object?> TellFullDiskAsync(EndpointFilterInvocationContext invocation, EndpointFilterDelegate next)
    {
        try
        {
            return await next(invocation);
        }
        catch (IOException e) when (e is not BadHttpRequestException && !invocation.HttpContext.RequestAborted.IsCancellationRequested)
        {
            Log.FilesUnwritable(invocation.HttpContext.RequestServices.GetRequiredService<ILogger<FileStore>>(), e);
            await new OpenAIError(StatusCodes.Status503ServiceUnavailable, "server_error", "The gateway's folder of files is full or away; nothing was kept.", "storage_unavailable")
            { RetryAfterSeconds = 30 }.WriteAsync(invocation.HttpContext);
            return Results.Empty; // Null would be written as JSON behind the error.
        }
    }
}
