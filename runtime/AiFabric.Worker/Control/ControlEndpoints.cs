using System.Text.Json.Serialization.Metadata;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Control;

/// <summary>The routes of the control port.</summary>
internal static class ControlEndpoints
{
    public static void Map(IEndpointRouteBuilder routes, LoadReporter load, TrainingRegistry training, AdapterControl adapters)
    {
        routes.MapGet("/control/load", context => AnswerAsync(context, load.Report(), ControlJson.Default.LoadReport));

        routes.MapGet("/control/training", context => AnswerAsync(context, new TrainingList { Sessions = training.List() }, ControlJson.Default.TrainingList));
        routes.MapGet("/control/training/{uid}", context => AnswerAsync(context, training.Get(Name(context, "uid")), ControlJson.Default.TrainingStatus));
        routes.MapPut("/control/training/{uid}", async context =>
        {
            var request = await ReadAsync(context, ControlJson.Default.TrainingRequest);
            await AnswerAsync(context, await training.PutAsync(Name(context, "uid"), request, context.RequestAborted), ControlJson.Default.TrainingStatus);
        });
        routes.MapDelete("/control/training/{uid}", async context =>
        {
            await training.DeleteAsync(Name(context, "uid"), context.RequestAborted);
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        });

        routes.MapGet("/control/adapters", context => AnswerAsync(context, adapters.List(), ControlJson.Default.AdapterList));
        routes.MapPut("/control/adapters/{name}", async context =>
        {
            var request = await ReadAsync(context, ControlJson.Default.AdapterRequest);
            await AnswerAsync(context, await adapters.LoadAsync(Name(context, "name"), request, context.RequestAborted), ControlJson.Default.AdapterStatus);
        });
        routes.MapDelete("/control/adapters/{name}", async context =>
        {
            await adapters.UnloadAsync(Name(context, "name"), context.RequestAborted);
            context.Response.StatusCode = StatusCodes.Status204NoContent;
        });
    }

    private static async Task<T> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type) =>
        JsonBody.Convert(await JsonBody.ReadObjectAsync(context.Request, context.RequestAborted), type);

    private static Task AnswerAsync<T>(HttpContext context, T body, JsonTypeInfo<T> type) =>
        context.Response.WriteAsJsonAsync(body, type, cancellationToken: context.RequestAborted);

    private static string Name(HttpContext context, string key) => (string?)context.Request.RouteValues[key] ?? "";
}
