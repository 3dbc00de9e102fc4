using System.Buffers;
using System.Globalization;
using System.Net;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace AiFabric.Benchmarks.Gateway;

/// <summary>
/// A fake of a worker, in a process of its own: it has no model and sends events of a fixed text. How many and how fast the request's headers say, so that it takes as little of the
/// cores as can be, and the same whoever is in front of it.
/// </summary>
internal static class FakeModelServer
{
    /// <summary>Events of an answer.</summary>
    public const string Events = "X-Events";

    /// <summary>Milliseconds between two events; 0 sends all at once, and a negative number nothing after the first until the client leaves.</summary>
    public const string Pace = "X-Pace";

    private static readonly byte[] Event =
        "data: {\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"}}]}\n\n"u8.ToArray();

    private static readonly byte[] Last = "data: [DONE]\n\n"u8.ToArray();

    /// <summary>Serves until it is stopped.</summary>
    public static async Task RunAsync(int port, CancellationToken cancellationToken)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port)).UseSockets(sockets => sockets.UnsafePreferInlineScheduling = true);
        WebApplication app = builder.Build();
        app.MapGet("/v1/models", context => context.Response.WriteAsJsonAsync(
            new ModelList { Data = [new ModelCard { Id = GatewayFabric.Model, Created = 1 }] }, OpenAIJson.Default.ModelList, cancellationToken: context.RequestAborted));
        app.MapPost("/v1/chat/completions", AnswerAsync);
        await app.StartAsync(cancellationToken);
        await Task.Delay(Timeout.Infinite, cancellationToken);
    }

    private static async Task AnswerAsync(HttpContext context)
    {
        int events = Number(context, Events), pace = Number(context, Pace);
        await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
        context.Response.ContentType = "text/event-stream";
        for (int i = 0; i < events; i++)
        {
            if (i > 0 && pace != 0)
                await Task.Delay(pace > 0 ? pace : Timeout.Infinite, context.RequestAborted);
            context.Response.BodyWriter.Write(Event);
            if (pace != 0 && i < events - 1)
                await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
        }
        context.Response.BodyWriter.Write(Last);
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    private static int Number(HttpContext context, string header) => int.Parse(context.Request.Headers[header].ToString(), CultureInfo.InvariantCulture);
}
