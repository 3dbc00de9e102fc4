using System.Diagnostics;
using System.Text;
using System.Text.Json;
using AiFabric.Protocol.Sse;

namespace AiFabric.Benchmarks.Pipelines.Workers;

/// <summary>Asks pipelines through the gateway, and measures.</summary>
internal sealed class ChatClient(Uri gateway) : IDisposable
{
    /// <summary>Beginnings as the demo model knows them: it continues them.</summary>
    private static readonly string[] Beginnings =
    [
        "The state of the Union", "In the course of the last year", "It was a fine morning, and", "The Congress of the United States", "Call me", "She had never seen",
        "Our relations with foreign powers", "The whale", "The revenue of the Treasury", "Elizabeth could not but", "Among the nations of the earth", "The officers of the Army",
    ];

    private readonly HttpClient _http = new() { BaseAddress = gateway, Timeout = TimeSpan.FromMinutes(3) };

    /// <summary>Requests that arrive by a Poisson process, whether or not those before are done.</summary>
    /// <param name="pipeline">Whom they ask.</param>
    /// <param name="perSecond">How many.</param>
    /// <param name="seconds">For how long they arrive. All are waited for.</param>
    /// <param name="seed">Of arrivals and prompts.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="BenchException">One failed.</exception>
    public async Task<IReadOnlyList<Served>> LoadAsync(string pipeline, double perSecond, double seconds, int seed, CancellationToken cancellationToken)
    {
        var random = new Random(seed);
        var running = new List<Task<Served>>();
        long start = Stopwatch.GetTimestamp();
        for (double at = 0; ;)
        {
            at += -Math.Log(1 - random.NextDouble()) / perSecond;
            if (at > seconds)
                return await Task.WhenAll(running);
            string prompt = Beginnings[random.Next(Beginnings.Length)];
            TimeSpan early = TimeSpan.FromSeconds(at) - Stopwatch.GetElapsedTime(start);
            if (early > TimeSpan.Zero)
                await Task.Delay(early, cancellationToken);
            running.Add(AskAsync(pipeline, prompt, cancellationToken));
        }
    }

    /// <summary>One request after the other.</summary>
    public async Task<IReadOnlyList<Served>> OneByOneAsync(string pipeline, CancellationToken cancellationToken)
    {
        var served = new List<Served>();
        foreach (string prompt in Beginnings)
            served.Add(await AskAsync(pipeline, prompt, cancellationToken));
        return served;
    }

    /// <summary>Begins to stream an answer; disposing of the response leaves.</summary>
    public Task<HttpResponseMessage> BeginAsync(string pipeline, string prompt, CancellationToken cancellationToken)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = new StringContent(
                JsonSerializer.Serialize(new { model = pipeline, stream = true, stream_options = new { include_intermediate = true }, messages = new[] { new { role = "user", content = prompt } } }),
                Encoding.UTF8, "application/json"),
        };
        return _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    public void Dispose() => _http.Dispose();

    private async Task<Served> AskAsync(string pipeline, string prompt, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        double? first = null;
        using HttpResponseMessage answer = await BeginAsync(pipeline, prompt, cancellationToken);
        if (!answer.IsSuccessStatusCode)
            throw new BenchException($"{pipeline} answered {(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync(cancellationToken)}");
        await using Stream stream = await answer.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (string data in SseReader.ReadAsync(stream, cancellationToken))
        {
            if (data == SseFrame.Done)
                return new Served(first ?? Seconds(), Seconds());
            if (data.StartsWith("{\"error\"", StringComparison.Ordinal))
                throw new BenchException($"{pipeline} failed: {data}");
            if (first is null && data.Contains("\"content\":\"", StringComparison.Ordinal) && !data.Contains("\"content\":\"\"", StringComparison.Ordinal))
                first = Seconds();
        }
        throw new BenchException($"the stream of {pipeline} ended without its last event");

        double Seconds() => Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
