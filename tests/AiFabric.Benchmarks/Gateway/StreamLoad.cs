using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;

namespace AiFabric.Benchmarks.Gateway;

/// <summary>When an answer's parts came, seconds after it was asked for.</summary>
/// <param name="First">The first piece of its body.</param>
/// <param name="Last">Its end.</param>
/// <param name="Events">Events, the final one included.</param>
internal readonly record struct StreamTimes(double First, double Last, int Events);

/// <summary>Clients of the fake of a worker, direct or through a proxy.</summary>
internal sealed class StreamLoad(Uri target) : IDisposable
{
    private static readonly byte[] Body = Encoding.UTF8.GetBytes(
        $$"""{"model":"{{GatewayFabric.Model}}","stream":true,"messages":[{"role":"user","content":"{{string.Join(' ', Enumerable.Range(0, 60).Select(i => $"word{i}"))}}"}]}""");

    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false, ActivityHeadersPropagator = null, PooledConnectionIdleTimeout = TimeSpan.FromMinutes(5) });

    public void Dispose() => _http.Dispose();

    /// <summary>One stream to its end.</summary>
    public async Task<StreamTimes> AskAsync(int events, int paceMilliseconds, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[16_384];
        long start = Stopwatch.GetTimestamp();
        using HttpResponseMessage answer = await SendAsync(events, paceMilliseconds, cancellationToken);
        await using Stream stream = await answer.Content.ReadAsStreamAsync(cancellationToken);
        double first = 0;
        int read, seen = 0;
        while ((read = await stream.ReadAsync(buffer, cancellationToken)) > 0)
        {
            if (first == 0)
                first = Stopwatch.GetElapsedTime(start).TotalSeconds;
            seen += buffer.AsSpan(0, read).Count((byte)'\n');
        }
        return new StreamTimes(first, Stopwatch.GetElapsedTime(start).TotalSeconds, seen / 2);
    }

    /// <summary>Opens a stream, reads its first event and leaves it open.</summary>
    public async Task<HttpResponseMessage> OpenIdleAsync(CancellationToken cancellationToken)
    {
        HttpResponseMessage answer = await SendAsync(2, -1, cancellationToken);
        Stream stream = await answer.Content.ReadAsStreamAsync(cancellationToken);
        if (await stream.ReadAsync(new byte[512], cancellationToken) == 0)
            throw new BenchException("a stream ended that should stay open");
        return answer;
    }

    /// <summary>Asks at a fixed rate, whatever the answers take.</summary>
    public async Task<StreamTimes[]> AtRateAsync(double perSecond, double seconds, CancellationToken cancellationToken)
    {
        var asked = new List<Task<StreamTimes>>();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < perSecond * seconds; i++)
        {
            double due = i / perSecond;
            while (Stopwatch.GetElapsedTime(start).TotalSeconds < due)
                await Task.Delay(1, cancellationToken);
            asked.Add(Task.Run(() => AskAsync(1, 0, cancellationToken), cancellationToken));
        }
        return await Task.WhenAll(asked);
    }

    /// <summary>A number of clients that ask one stream after the other.</summary>
    public async Task<int> InTurnAsync(int clients, int events, double seconds, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        int done = 0;
        await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(
            async () =>
            {
                while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)
                {
                    StreamTimes times = await AskAsync(events, 0, cancellationToken);
                    if (times.Events != events + 1)
                        throw new BenchException($"a stream of {events} events had {times.Events - 1}");
                    Interlocked.Increment(ref done);
                }
            },
            cancellationToken)));
        return done;
    }

    private async Task<HttpResponseMessage> SendAsync(int events, int paceMilliseconds, CancellationToken cancellationToken)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(target, "/v1/chat/completions"))
        {
            Content = new ByteArrayContent(Body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        request.Headers.Add(FakeModelServer.Events, events.ToString(CultureInfo.InvariantCulture));
        request.Headers.Add(FakeModelServer.Pace, paceMilliseconds.ToString(CultureInfo.InvariantCulture));
        HttpResponseMessage answer = await _http.SendAsync(request, cancellationToken);
        if (!answer.IsSuccessStatusCode)
            throw new BenchException($"{target} answered {(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync(cancellationToken)}");
        return answer;
    }
}
