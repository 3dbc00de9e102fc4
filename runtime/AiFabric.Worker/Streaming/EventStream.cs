using System.Runtime.CompilerServices;
using System.Text;
using AiFabric.Protocol.Sse;

namespace AiFabric.Worker.Streaming;

/// <summary>An SSE answer. The headers go out with the first event, so that a failure before it still gets a proper status.</summary>
internal sealed class EventStream(HttpResponse response)
{
    // So much may lie in the answer's buffer before a client that reads slowly holds its request back.
    private const int MostUnsentBytes = 16 << 10;

    private static readonly byte[] Done = Encoding.UTF8.GetBytes(SseFrame.Done);

    private int unsent;

    public bool Started { get; private set; }

    /// <summary>Adds one event; <see cref="FlushAsync"/> sends it.</summary>
    public void Add(byte[] data)
    {
        Start();
        SseFrame.Write(response.BodyWriter, data);
        unsent += data.Length;
    }

    /// <summary>Adds the event that ends a stream.</summary>
    public void AddDone() => Add(Done);

    /// <summary>Sends all events that were added, in one write.</summary>
    /// <exception cref="OperationCanceledException">The client left.</exception>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        unsent = 0;
        await response.BodyWriter.FlushAsync(cancellationToken);
    }

    /// <summary>
    /// Passes items on, and sends what was added for those before while the next one is waited for. So an event goes out at once, and items that
    /// are there together, since they came together or faster than they could be sent, go out in one write.
    /// </summary>
    public async IAsyncEnumerable<T> SendWhileWaitingAsync<T>(IAsyncEnumerable<T> items, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var source = items.GetAsyncEnumerator(cancellationToken);
        while (true)
        {
            var next = source.MoveNextAsync();
            if (unsent >= MostUnsentBytes || (unsent > 0 && !next.IsCompleted))
            {
                try
                {
                    await FlushAsync(cancellationToken);
                }
                catch
                {
                    // No enumerator may be left in the middle of a step.
                    await ((Task)next.AsTask()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    throw;
                }
            }
            if (!await next)
                yield break;
            yield return source.Current;
        }
    }

    private void Start()
    {
        if (Started)
            return;
        Started = true;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        // Reverse proxies such as nginx buffer otherwise.
        response.Headers["X-Accel-Buffering"] = "no";
    }
}
