using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;

namespace AiFabric.Cluster.Tests.Load;

/// <summary>
/// Clients that stream chats through a gateway, judge every event, and tell how each stream ended. Works on whatever cluster stands behind the
/// address. One client may hold many streams; each stream has a connection of its own, so that none depends on another's.
/// </summary>
/// <param name="gateway">Public address of the gateway.</param>
/// <param name="model">What is asked for.</param>
/// <param name="maxTokens">Length of each answer; the model's own end is ignored, so that all are equally long.</param>
public sealed class StreamLoad(Uri gateway, string model, int maxTokens) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false, PooledConnectionLifetime = TimeSpan.Zero })
    {
        Timeout = TimeSpan.FromMinutes(5),
    };

    private readonly ConcurrentBag<StreamOutcome> _outcomes = [];
    private int _started;
    private int _begun;

    /// <summary>Streams that have ended.</summary>
    public int Ended => _outcomes.Count;

    /// <summary>Streams that have had their first token.</summary>
    public int Begun => Volatile.Read(ref _begun);

    /// <summary>Streams chats, <paramref name="concurrency"/> at a time, for as long as <paramref name="another"/> holds for the number of the next.</summary>
    /// <param name="concurrency">Streams open at the same time.</param>
    /// <param name="another">Whether to open the stream of this number, from 0.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<LoadResult> RunAsync(int concurrency, Func<int, bool> another, CancellationToken cancellationToken)
    {
        await Task.WhenAll(Enumerable.Range(0, concurrency).Select(async _ =>
        {
            while (Interlocked.Increment(ref _started) - 1 is var number && another(number))
                _outcomes.Add(await StreamAsync(number, cancellationToken));
        }));
        return new LoadResult([.. _outcomes]);
    }

    public void Dispose() => _http.Dispose();

    private async Task<StreamOutcome> StreamAsync(int number, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        var events = new EventSequence();
        TimeSpan? first = null;
        try
        {
            using HttpRequestMessage request = Request(number);
            using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            await using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken);
            using var reader = new StreamReader(body);
            if (!response.IsSuccessStatusCode)
            {
                string said = $"HTTP {(int)response.StatusCode}: {await reader.ReadToEndAsync(cancellationToken)}";
                return new StreamOutcome(StreamEnding.FailedBeforeFirstToken, 0, said, null, clock.Elapsed);
            }
            while (await reader.ReadLineAsync(cancellationToken) is { } line)
            {
                if (line.StartsWith("data: ", StringComparison.Ordinal))
                    events.Take(line[6..]);
                if (first is null && events.Tokens > 0)
                {
                    first = clock.Elapsed;
                    Interlocked.Increment(ref _begun);
                }
            }
            string? error = events.Nonsense ?? events.Error ?? (events.Ending == StreamEnding.Complete ? null : "the stream stopped without a final event");
            return new StreamOutcome(events.Ending, events.Tokens, error, first, clock.Elapsed);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            StreamEnding ending = events.Tokens == 0 ? StreamEnding.FailedBeforeFirstToken : StreamEnding.Truncated;
            return new StreamOutcome(ending, events.Tokens, e.Message, first, clock.Elapsed);
        }
    }

    private HttpRequestMessage Request(int number)
    {
        var body = new JsonObject
        {
            ["model"] = model,
            ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = $"Letter {number}: the state of the Union" }),
            ["max_tokens"] = maxTokens,
            ["ignore_eos"] = true,
            ["stream"] = true,
        };
        return new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "/v1/chat/completions"))
        {
            Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json"),
        };
    }
}
