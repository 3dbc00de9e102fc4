using AiFabric.Protocol.Sse;

namespace AiFabric.Worker.Streaming;

/// <summary>An SSE answer. The headers go out with the first event, so that a failure before it still gets a proper status.</summary>
internal sealed class EventStream(HttpResponse response)
{
    public bool Started { get; private set; }

    /// <summary>Sends one event at once.</summary>
    /// <exception cref="OperationCanceledException">The client left.</exception>
    public async Task SendAsync(byte[] data, CancellationToken cancellationToken)
    {
        Start();
        SseFrame.Write(response.BodyWriter, data);
        await response.BodyWriter.FlushAsync(cancellationToken);
    }

    public async Task SendDoneAsync(CancellationToken cancellationToken)
    {
        Start();
        SseFrame.Write(response.BodyWriter, SseFrame.Done);
        await response.BodyWriter.FlushAsync(cancellationToken);
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
