using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;

namespace AiFabric.Worker.Storage.Transfer;

/// <summary>One request, as sources ask it.</summary>
/// <param name="Method">GET or HEAD.</param>
/// <param name="Uri">Where to.</param>
internal sealed record RemoteRequest(HttpMethod Method, Uri Uri)
{
    /// <summary>Sent to the host of <see cref="Uri"/> alone: redirects to another one go without.</summary>
    public AuthenticationHeaderValue? Authorization { get; init; }

    /// <summary>First byte wanted.</summary>
    public long Offset { get; init; }

    /// <summary>Last byte wanted; null for all that follow.</summary>
    public long? Last { get; init; }

    /// <summary>The content that <see cref="Offset"/> belongs to.</summary>
    public string? ETag { get; init; }

    public IReadOnlyList<string> Accept { get; init; } = [];

    /// <summary>Whether redirects are followed, else handed back.</summary>
    public bool Follow { get; init; } = true;
}

/// <summary>HTTP as downloads need it: redirects that leak no credentials, deadlines, and errors that tell whether another try may help.</summary>
internal sealed class HttpTransport : IDisposable
{
    /// <summary>How long headers may take, and the next bytes of a short body. Those of files have a shorter deadline of their own.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private const int MaxRedirects = 10;
    private const int BufferBytes = 16 << 10;

    private readonly HttpClient client;
    private readonly TimeProvider time;

    public HttpTransport(TimeProvider time)
    {
        this.time = time;
        var handler = new SocketsHttpHandler
        {
            // Followed here, where credentials can be kept from other hosts.
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(15),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        };
        // A body may take hours; headers and short bodies have their own deadline, and a file that falls silent ends by FileDownload's.
        client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.UserAgent.ParseAdd("aifabric-worker/0.1");
    }

    /// <returns>Any answer but a redirect (unless asked for), whatever its status.</returns>
    /// <exception cref="DownloadException">There is no answer, or too many redirects.</exception>
    public async Task<HttpResponseMessage> SendAsync(RemoteRequest request, CancellationToken cancellationToken)
    {
        var at = request.Uri;
        for (int redirects = 0; redirects <= MaxRedirects; redirects++)
        {
            var response = await SendOnceAsync(request, at, cancellationToken);
            if (!IsRedirect(response) || !request.Follow)
                return response;
            var next = new Uri(at, response.Headers.Location!); // IsRedirect saw it.
            response.Dispose();
            if (next.Scheme != Uri.UriSchemeHttps && (next.Scheme != Uri.UriSchemeHttp || at.Scheme == Uri.UriSchemeHttps))
                throw new DownloadException($"{at.Host} redirects from {at.Scheme} to {next.Scheme}, which is refused", retryable: false);
            at = next;
        }
        throw new DownloadException($"{request.Uri.Host} redirects more than {MaxRedirects} times", retryable: false);
    }

    /// <summary>Like <see cref="SendAsync"/>, for an answer with a good status.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="credentials">Names of the variables that would let it in, for the message of a refusal.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="DownloadException">There is no answer, or a bad one.</exception>
    public async Task<HttpResponseMessage> SendExpectingSuccessAsync(RemoteRequest request, string credentials, CancellationToken cancellationToken) =>
        await ExpectSuccessAsync(request, await SendAsync(request, cancellationToken), credentials, cancellationToken);

    /// <summary>Hands an answer with a good status back.</summary>
    /// <exception cref="DownloadException">The status is a bad one.</exception>
    public async Task<HttpResponseMessage> ExpectSuccessAsync(RemoteRequest request, HttpResponseMessage response, string credentials, CancellationToken cancellationToken)
    {
        if (response.IsSuccessStatusCode || (!request.Follow && IsRedirect(response)))
            return response;
        using (response)
            throw await Refusal.ReadAsync(request.Uri, response, credentials, time, cancellationToken);
    }

    /// <summary>Opens a file's bytes: the rest from the offset on when the server can, else all.</summary>
    /// <exception cref="DownloadException">See <see cref="SendExpectingSuccessAsync"/>; or the content is another one by now.</exception>
    public async Task<RemoteContent> OpenAsync(RemoteRequest request, string credentials, CancellationToken cancellationToken) =>
        await ContentAsync(request, await SendExpectingSuccessAsync(request, credentials, cancellationToken), cancellationToken);

    /// <summary>The bytes of a good answer.</summary>
    /// <exception cref="DownloadException">They are not those that were asked for.</exception>
    public static async Task<RemoteContent> ContentAsync(RemoteRequest request, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            bool partial = response.StatusCode == HttpStatusCode.PartialContent;
            long offset = partial ? response.Content.Headers.ContentRange?.From ?? -1 : 0;
            if (partial && offset != request.Offset)
                throw new DownloadException($"{request.Uri.Host} sent bytes from {offset} on; {request.Offset} was asked for", retryable: true);
            return new RemoteContent(await response.Content.ReadAsStreamAsync(cancellationToken), offset, response);
        }
        catch (DownloadException)
        {
            response.Dispose();
            throw;
        }
    }

    /// <summary>A short body as a whole; of a longer one the beginning.</summary>
    /// <param name="response">Its body has not been read.</param>
    /// <param name="maxBytes">How much is read.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="DownloadException">It breaks off, or nothing more comes within the <see cref="Deadline"/>.</exception>
    public async Task<byte[]> ReadAsync(HttpResponseMessage response, int maxBytes, CancellationToken cancellationToken)
    {
        string server = response.RequestMessage?.RequestUri?.Authority ?? "The server";
        using var late = new CancellationTokenSource(Deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        try
        {
            await using var stream = await response.Content.ReadAsStreamAsync(either.Token);
            using var body = new MemoryStream();
            byte[] buffer = new byte[BufferBytes];
            while (body.Length < maxBytes && await stream.ReadAsync(buffer, either.Token) is var read and > 0)
            {
                await body.WriteAsync(buffer.AsMemory(0, (int)Math.Min(read, maxBytes - body.Length)), either.Token);
                late.CancelAfter(Deadline);
            }
            return body.ToArray();
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new DownloadException($"{server} sent no more of its answer for {Deadline.TotalSeconds:0} s", retryable: true);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new DownloadException($"{server} broke its answer off: {Reason(e)}", retryable: true, e);
        }
    }

    public static bool IsRedirect(HttpResponseMessage response) =>
        response.StatusCode is HttpStatusCode.MovedPermanently or HttpStatusCode.Found or HttpStatusCode.SeeOther
            or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect && response.Headers.Location is not null;

    public void Dispose() => client.Dispose();

    private async Task<HttpResponseMessage> SendOnceAsync(RemoteRequest request, Uri at, CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(request.Method, at);
        if (IsSameOrigin(at, request.Uri))
            message.Headers.Authorization = request.Authorization;
        foreach (string type in request.Accept)
            message.Headers.Accept.ParseAdd(type);
        if (request.Offset > 0 || request.Last is not null)
            message.Headers.Range = new RangeHeaderValue(request.Offset, request.Last);
        // Without it a server that changed the file would send the rest of another one.
        if (request.Offset > 0 && request.ETag is { } etag && EntityTagHeaderValue.TryParse(etag, out var tag) && !tag.IsWeak)
            message.Headers.IfRange = new RangeConditionHeaderValue(tag);
        using var late = new CancellationTokenSource(Deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        try
        {
            return await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new DownloadException($"{at.Authority} does not answer within {Deadline.TotalSeconds:0} s", retryable: true);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new DownloadException($"{at.Authority} cannot be reached: {Reason(e)}", retryable: true, e);
        }
    }

    private static bool IsSameOrigin(Uri a, Uri b) => a.Scheme == b.Scheme && a.Host == b.Host && a.Port == b.Port;

    private static string Reason(Exception e) => e.InnerException is SocketException or IOException or System.Security.Authentication.AuthenticationException
        ? e.InnerException.Message
        : e.Message;
}
