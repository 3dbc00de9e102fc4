using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>A completion request as a worker received it.</summary>
public sealed record ReceivedRequest(string Path, IReadOnlyDictionary<string, string> Headers, string Body)
{
    public string? Model => JsonDocument.Parse(Body).RootElement.GetProperty("model").GetString();
}

/// <summary>A fake of the worker: a real server on loopback that knows no model; it lists names and answers completions by script.</summary>
public sealed class FakeWorker : IAsyncDisposable
{
    /// <summary>Under this key of a request's items scripts find its body.</summary>
    public const string BodyItem = "body";

    private readonly WebApplication _app;
    private readonly ConcurrentQueue<ReceivedRequest> _received = [];

    private FakeWorker(string servedName)
    {
        ServedName = servedName;
        Listing = ListAsync;
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        _app = builder.Build();
        _app.MapGet("/v1/models", (HttpContext context) => Listing(context));
        foreach (string path in (string[])["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/tokenize", "/detokenize"])
            _app.MapPost(path, AnswerAsync);
    }

    public string ServedName { get; }

    public int Port => new Uri(_app.Urls.First()).Port;

    /// <summary>Adapters it lists, replaced whole.</summary>
    public IReadOnlyList<string> Adapters { get; set; } = [];

    /// <summary>What a completion request is answered with.</summary>
    public RequestDelegate Script { get; set; } = Scripts.Answer;

    /// <summary>What <c>GET /v1/models</c> is answered with.</summary>
    public RequestDelegate Listing { get; set; }

    /// <summary>Completion requests so far, oldest first.</summary>
    public IReadOnlyList<ReceivedRequest> Received => [.. _received];

    public static async Task<FakeWorker> StartAsync(string servedName, RequestDelegate? script = null)
    {
        var worker = new FakeWorker(servedName) { Script = script ?? Scripts.Answer };
        await worker._app.StartAsync();
        return worker;
    }

    /// <summary>Stops listening: connections are refused from here on.</summary>
    public Task StopAsync() => _app.StopAsync(new CancellationToken(canceled: true));

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _app.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body);
        string body = await reader.ReadToEndAsync(context.RequestAborted);
        _received.Enqueue(new ReceivedRequest(
            context.Request.Path, context.Request.Headers.ToDictionary(h => h.Key.ToLowerInvariant(), h => h.Value.ToString()), body));
        context.Items[BodyItem] = body;
        await Script(context);
    }

    private Task ListAsync(HttpContext context) => context.Response.WriteAsJsonAsync(
        new ModelList
        {
            Data = [.. Adapters.Select(a => $"{ServedName}:{a}").Prepend(ServedName).Select(id => new ModelCard { Id = id, Created = 1 })],
        },
        OpenAIJson.Default.ModelList);
}
