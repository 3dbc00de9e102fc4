using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace AiFabric.Cluster.Tests.Gateway.Pipelines;

/// <summary>A fake of a function's replica: a real server on loopback that gathers the items of each group and answers with them, sorted.</summary>
public sealed class FakeFunction : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<string, string>> _groups = new();
    private readonly ConcurrentQueue<StageRequest> _received = [];

    private int _now;
    private int _most;

    private FakeFunction()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        _app = builder.Build();
        _app.MapPost("/", AnswerAsync);
    }

    public int Port => new Uri(_app.Urls.First()).Port;

    public IReadOnlyList<StageRequest> Received => [.. _received];

    /// <summary>The most requests that it ever had at the same time.</summary>
    public int MostAtATime => _most;

    /// <summary>Whether it breaks off the connection of the next request that it gets.</summary>
    public Func<StageRequest, bool> Dies { get; set; } = _ => false;

    public static async Task<FakeFunction> StartAsync()
    {
        var function = new FakeFunction();
        await function._app.StartAsync();
        return function;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(new CancellationToken(canceled: true));
        await _app.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        int now = Interlocked.Increment(ref _now);
        for (int most = _most; now > most && Interlocked.CompareExchange(ref _most, now, most) != most; most = _most)
        {
        }
        try
        {
            await RespondAsync(context);
        }
        finally
        {
            Interlocked.Decrement(ref _now);
        }
    }

    private async Task RespondAsync(HttpContext context)
    {
        StageRequest request = (await JsonSerializer.DeserializeAsync(context.Request.Body, ControlJson.Default.StageRequest, context.RequestAborted))!;
        _received.Enqueue(request);
        if (Dies(request))
        {
            context.Abort();
            return;
        }
        ConcurrentDictionary<string, string> group = _groups.GetOrAdd($"{request.Run}/{request.Group}", _ => new());
        if (request.Group is null)
        {
            await context.Response.WriteAsync(JsonSerializer.Serialize(new StageLine { Text = request.Inputs!.Values.Single() }, ControlJson.Default.StageLine) + "\n", context.RequestAborted);
            return;
        }
        if (request.Closed is null)
        {
            group[request.Item!] = request.Inputs!.Values.Single();
            return;
        }
        context.Response.ContentType = "application/x-ndjson";
        foreach (string text in group.Values.Order(StringComparer.Ordinal))
            await context.Response.WriteAsync(JsonSerializer.Serialize(new StageLine { Text = $"[{text}]" }, ControlJson.Default.StageLine) + "\n", context.RequestAborted);
    }
}
