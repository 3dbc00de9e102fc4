using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using AiFabric.Worker.Storage.Transfer;

namespace AiFabric.Worker.Storage.Sources;

/// <summary>
/// Plain web servers: an archive (<c>.tar</c>, <c>.tar.gz</c>, <c>.tgz</c>, <c>.zip</c>), a folder (<c>…/</c>) that lists its files in <c>SHA256SUMS</c> as
/// sha256sum(1) writes it, or one file. A revision <c>sha256:…</c> is the checksum of an archive or file, or of a folder's list.
/// </summary>
internal sealed class HttpSource : IRemoteSource
{
    public const string ListName = "SHA256SUMS";

    private const string Credentials = "HTTP_BEARER_TOKEN, or HTTP_USERNAME and HTTP_PASSWORD,";
    private const int MaxListBytes = 4 << 20;

    private readonly Uri uri;
    private readonly ContentDigest? expected;
    private readonly AuthenticationHeaderValue? authorization;
    private readonly HttpTransport http;

    /// <exception cref="StorageException">The URI holds what it must not.</exception>
    public HttpSource(string uri, string? revision, Func<string, string?> environment, TimeProvider time)
    {
        this.uri = Uri.TryCreate(uri, UriKind.Absolute, out var parsed) && parsed.Host.Length > 0 ? parsed : throw new StorageException($"'{uri}' is no URL.");
        if (this.uri.UserInfo.Length > 0)
            throw new StorageException($"A URL of {this.uri.Host} holds credentials, which all may read; put them into a Secret as HTTP_USERNAME and HTTP_PASSWORD.");
        expected = ContentDigest.Parse(revision);
        authorization = AuthorizationFrom(environment);
        http = new HttpTransport(time);
    }

    public async Task<RemoteListing> ListAsync(CancellationToken cancellationToken)
    {
        if (uri.AbsolutePath.EndsWith('/'))
            return await ListFolderAsync(cancellationToken);
        string name = Uri.UnescapeDataString(uri.Segments[^1]);
        var file = await ProbeAsync(new RemoteFile(name, uri.AbsoluteUri) { Packing = PackingOf(name), Digest = expected }, cancellationToken);
        return new RemoteListing(expected?.ToString() ?? file.ETag ?? "unknown", [file]);
    }

    public Task<RemoteContent> OpenAsync(RemoteFile file, long offset, CancellationToken cancellationToken) => http.OpenAsync(
        new RemoteRequest(HttpMethod.Get, new Uri(file.Location)) { Authorization = authorization, Offset = offset, ETag = file.ETag }, Credentials, cancellationToken);

    public void Dispose() => http.Dispose();

    /// <summary>How a file of this name is unpacked.</summary>
    public static Packing PackingOf(string name) => name switch
    {
        _ when name.EndsWith(".tar", StringComparison.OrdinalIgnoreCase) => Packing.Tar,
        _ when name.EndsWith(".tar.gz", StringComparison.OrdinalIgnoreCase) || name.EndsWith(".tgz", StringComparison.OrdinalIgnoreCase) => Packing.TarGzip,
        _ when name.EndsWith(".zip", StringComparison.OrdinalIgnoreCase) => Packing.Zip,
        _ => Packing.None,
    };

    /// <summary>The lines of a list: 64 hexadecimal digits, a space, a space or <c>*</c>, the name.</summary>
    /// <exception cref="DownloadException">A line is none of that.</exception>
    internal static IReadOnlyList<(string Name, ContentDigest Digest)> ParseList(string text)
    {
        var files = new List<(string, ContentDigest)>();
        foreach (string line in text.Split('\n').Select(line => line.TrimEnd('\r')).Where(line => line.Length > 0))
        {
            string name = line.Length > 66 && line[64] == ' ' && line[65] is ' ' or '*' ? line[66..] : "";
            if (name.StartsWith("./", StringComparison.Ordinal))
                name = name[2..];
            if (name.Length == 0 || ContentDigest.FromHex(ContentDigest.Sha256, line[..Math.Min(64, line.Length)]) is not { } digest)
                throw new DownloadException($"{ListName} has a line that sha256sum does not write: '{line[..Math.Min(line.Length, 100)]}'", retryable: false);
            if (name != ListName)
                files.Add((name, digest));
        }
        return files;
    }

    private async Task<RemoteListing> ListFolderAsync(CancellationToken cancellationToken)
    {
        var request = new RemoteRequest(HttpMethod.Get, new Uri(uri, ListName)) { Authorization = authorization };
        string text;
        string digest;
        using (var response = await http.SendExpectingSuccessAsync(request, Credentials, cancellationToken))
        {
            byte[] bytes = await http.ReadAsync(response, MaxListBytes, cancellationToken);
            digest = "sha256:" + Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes));
            text = Encoding.UTF8.GetString(bytes);
        }
        if (expected is not null && digest != expected.ToString())
            throw new DownloadException($"{request.Uri.Authority}{request.Uri.AbsolutePath} is {digest}, not the revision {expected} that is asked for", retryable: false);
        var files = new List<RemoteFile>();
        foreach (var (name, checksum) in ParseList(text))
        {
            var place = new Uri(uri, string.Join('/', name.Split('/').Select(Uri.EscapeDataString)));
            files.Add(await ProbeAsync(new RemoteFile(name, place.AbsoluteUri) { Digest = checksum }, cancellationToken));
        }
        return files.Count > 0 ? new RemoteListing(digest, files) : throw new DownloadException($"{request.Uri} lists no file", retryable: false);
    }

    private async Task<RemoteFile> ProbeAsync(RemoteFile file, CancellationToken cancellationToken)
    {
        var request = new RemoteRequest(HttpMethod.Head, new Uri(file.Location)) { Authorization = authorization };
        using var head = await http.SendAsync(request, cancellationToken);
        if (head.StatusCode is not (HttpStatusCode.Forbidden or HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented))
            return Described(file, await http.ExpectSuccessAsync(request, head, Credentials, cancellationToken));
        // A signed URL is good for GET alone, and some servers know no HEAD. Where ranges are not known either, the body stays unread.
        using var first = await http.SendExpectingSuccessAsync(request with { Method = HttpMethod.Get, Last = 0 }, Credentials, cancellationToken);
        return Described(file, first);
    }

    private static RemoteFile Described(RemoteFile file, HttpResponseMessage response) => file with
    {
        Size = response.StatusCode == HttpStatusCode.PartialContent ? response.Content.Headers.ContentRange?.Length : response.Content.Headers.ContentLength,
        // A weak tag stands for several contents, none of which could be told from the other half way.
        ETag = response.Headers.ETag is { IsWeak: false } tag ? tag.Tag : null,
        Hint = response.Headers.ETag is { IsWeak: true } weak ? weak.Tag : response.Content.Headers.LastModified?.ToString("O", CultureInfo.InvariantCulture),
    };

    private static AuthenticationHeaderValue? AuthorizationFrom(Func<string, string?> environment)
    {
        if (environment("HTTP_BEARER_TOKEN") is { Length: > 0 } token)
            return new AuthenticationHeaderValue("Bearer", token.Trim());
        return environment("HTTP_USERNAME") is { Length: > 0 } user
            ? new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{environment("HTTP_PASSWORD")}")))
            : null;
    }
}
