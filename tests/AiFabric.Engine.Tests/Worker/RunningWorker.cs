using System.Net.Http.Json;
using System.Text.Json;
using AiFabric.Protocol.Sse;
using AiFabric.Worker.Backend;
using AiFabric.Worker.CommandLine;
using AiFabric.Worker.Hosting;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>A worker on two free loopback ports, and clients of both.</summary>
internal sealed class RunningWorker : IAsyncDisposable
{
    private RunningWorker(WorkerHost host)
    {
        Host = host;
        Serving = new HttpClient { BaseAddress = host.ServingAddress };
        Control = new HttpClient { BaseAddress = host.ControlAddress };
    }

    public WorkerHost Host { get; }

    public HttpClient Serving { get; }

    public HttpClient Control { get; }

    public static ServeOptions Options => new() { Model = "file:///none", ServedName = "demo", Port = 0, ControlPort = 0, Threads = 1, DrainTimeout = TimeSpan.FromSeconds(5) };

    public static Task<RunningWorker> StartAsync(ScriptedBackend backend, Func<ServeOptions, ServeOptions>? change = null) =>
        StartAsync((_, _, _, _) => Task.FromResult<IModelBackend>(backend), change?.Invoke(Options) ?? Options);

    public static async Task<RunningWorker> StartAsync(ModelLoader loader, ServeOptions options, bool waitUntilLoaded = true)
    {
        var worker = new RunningWorker(await WorkerHost.StartAsync(options, loader, TimeProvider.System, CancellationToken.None));
        if (waitUntilLoaded)
            await worker.Host.Loaded;
        return worker;
    }

    public Task<HttpResponseMessage> PostAsync(string path, object body) => Serving.PostAsJsonAsync(path, body);

    public async Task<JsonElement> PostJsonAsync(string path, object body)
    {
        using var response = await PostAsync(path, body);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }

    /// <summary>The events of a stream, <c>[DONE]</c> included.</summary>
    public async Task<List<string>> StreamAsync(string path, object body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) };
        using var response = await Serving.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.True(response.IsSuccessStatusCode, await ErrorOfAsync(response));
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        var events = new List<string>();
        await foreach (string data in SseReader.ReadAsync(await response.Content.ReadAsStreamAsync(), CancellationToken.None))
            events.Add(data);
        return events;
    }

    /// <summary>Joins the text of a chat's stream.</summary>
    public static string TextOf(IEnumerable<string> events) => string.Concat(events.Where(e => e != SseFrame.Done)
        .Select(e => JsonDocument.Parse(e).RootElement)
        .SelectMany(e => e.GetProperty("choices").EnumerateArray())
        .Select(c => c.GetProperty("delta").TryGetProperty("content", out var text) ? text.GetString() : ""));

    public async Task<double> MetricAsync(string name)
    {
        string text = await Serving.GetStringAsync("/metrics");
        string line = Assert.Single(text.Split('\n'), l => l.StartsWith(name, StringComparison.Ordinal) && l[name.Length] is ' ' or '{' or ',');
        return double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>Asks until a condition holds; fails after a deadline.</summary>
    public static async Task EventuallyAsync(Func<Task<bool>> condition, string what)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (!await condition())
        {
            Assert.False(deadline.IsCancellationRequested, $"In 60 s not once: {what}");
            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }
    }

    public async ValueTask DisposeAsync()
    {
        Serving.Dispose();
        Control.Dispose();
        await Host.DisposeAsync();
    }

    private static async Task<string> ErrorOfAsync(HttpResponseMessage response) =>
        response.IsSuccessStatusCode ? "" : await response.Content.ReadAsStringAsync();
}
