namespace AiFabric.Gateway.Streaming;

/// <summary>
/// Sends a body that is held in memory in place of the one that the forwarder would copy from the client. That one is written after its headers have gone out; this
/// one goes out together with them, so that a worker wakes up once for a request and not twice.
/// </summary>
/// <param name="inner">Sends.</param>
internal sealed class HeldBodyHandler(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    private static readonly HttpRequestOptionsKey<ReadOnlyMemory<byte>> Key = new("AiFabric.HeldBody");

    /// <summary>Sets the body of a request.</summary>
    public static void Set(HttpRequestMessage request, ReadOnlyMemory<byte> body) => request.Options.Set(Key, body);

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (request.Options.TryGetValue(Key, out ReadOnlyMemory<byte> body))
        {
            var held = new ReadOnlyMemoryContent(body);
            foreach (var header in request.Content!.Headers.NonValidated) // The forwarder makes one for each request with a length.
                held.Headers.TryAddWithoutValidation(header.Key, header.Value);
            request.Content = held;
        }
        return base.SendAsync(request, cancellationToken);
    }
}
