using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using AiFabric.Worker.Storage.Transfer;

namespace AiFabric.Worker.Storage.Sources;

/// <summary>
/// Requests to a registry with the authorization that it asks for: a token from the realm it names (the distribution project's token
/// specification), or plain credentials. They go to registry and realm alone, never to where blobs are redirected.
/// </summary>
internal sealed partial class OciSession : IDisposable
{
    private const string Credentials = "OCI_USERNAME and OCI_PASSWORD";
    private const int MaxTokenBytes = 1 << 20;

    private readonly HttpTransport http;
    private readonly AuthenticationHeaderValue? basic;
    private volatile AuthenticationHeaderValue? authorization;

    public OciSession(Func<string, string?> environment, TimeProvider time)
    {
        http = new HttpTransport(time);
        if (environment("OCI_USERNAME") is { Length: > 0 } user)
            basic = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{environment("OCI_PASSWORD")}")));
        if (environment("OCI_TOKEN") is { Length: > 0 } token)
            authorization = new AuthenticationHeaderValue("Bearer", token.Trim());
    }

    /// <exception cref="DownloadException">The registry cannot be reached or refuses.</exception>
    public async Task<HttpResponseMessage> AskAsync(RemoteRequest request, CancellationToken cancellationToken)
    {
        var response = await http.SendAsync(request with { Authorization = authorization }, cancellationToken);
        // A token lives for minutes, a download for hours: any request may be the one that needs a new one.
        if (response.StatusCode == HttpStatusCode.Unauthorized && await AnswerAsync(request.Uri, response, cancellationToken) is { } fresh)
        {
            response.Dispose();
            response = await http.SendAsync(request with { Authorization = fresh }, cancellationToken);
            authorization = fresh;
        }
        return await http.ExpectSuccessAsync(request, response, Credentials, cancellationToken);
    }

    public async Task<RemoteContent> OpenAsync(RemoteRequest request, CancellationToken cancellationToken) =>
        await HttpTransport.ContentAsync(request, await AskAsync(request, cancellationToken), cancellationToken);

    /// <summary>See <see cref="HttpTransport.ReadAsync"/>.</summary>
    public Task<byte[]> ReadAsync(HttpResponseMessage response, int maxBytes, CancellationToken cancellationToken) => http.ReadAsync(response, maxBytes, cancellationToken);

    public void Dispose() => http.Dispose();

    /// <summary>What the registry's challenge asks for; null when there is nothing to answer with.</summary>
    private async Task<AuthenticationHeaderValue?> AnswerAsync(Uri asked, HttpResponseMessage refused, CancellationToken cancellationToken)
    {
        foreach (var challenge in refused.Headers.WwwAuthenticate)
        {
            if (challenge.Scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase))
                return basic;
            if (challenge.Scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase) && TokenUri(asked, challenge.Parameter ?? "") is { } realm)
                return await TokenAsync(realm, cancellationToken);
        }
        return null;
    }

    private static Uri? TokenUri(Uri asked, string parameters)
    {
        var values = Parameters().Matches(parameters).DistinctBy(match => match.Groups[1].Value.ToLowerInvariant())
            .ToDictionary(match => match.Groups[1].Value.ToLowerInvariant(), match => match.Groups[2].Value);
        if (!values.TryGetValue("realm", out string? realm) || !Uri.TryCreate(realm, UriKind.Absolute, out var uri))
            return null;
        // Credentials that came over TLS so far are not sent without.
        if (uri.Scheme != Uri.UriSchemeHttps && (uri.Scheme != Uri.UriSchemeHttp || asked.Scheme == Uri.UriSchemeHttps))
            throw new DownloadException($"{asked.Authority} asks for credentials over {uri.Scheme}, which is refused", retryable: false);
        string query = string.Join('&', values.Where(value => value.Key is "service" or "scope").Select(value => $"{value.Key}={Uri.EscapeDataString(value.Value)}"));
        return new UriBuilder(uri) { Query = string.Join('&', new[] { uri.Query.TrimStart('?'), query }.Where(part => part.Length > 0)) }.Uri;
    }

    private async Task<AuthenticationHeaderValue?> TokenAsync(Uri realm, CancellationToken cancellationToken)
    {
        var request = new RemoteRequest(HttpMethod.Get, realm) { Authorization = basic };
        using var response = await http.SendExpectingSuccessAsync(request, Credentials, cancellationToken);
        try
        {
            using var json = JsonDocument.Parse(await http.ReadAsync(response, MaxTokenBytes, cancellationToken));
            foreach (string name in (string[])["token", "access_token"])
            {
                if (json.RootElement.TryGetProperty(name, out var token) && token.GetString() is { Length: > 0 } text)
                    return new AuthenticationHeaderValue("Bearer", text);
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DownloadException($"{realm.Authority} answered what is no token: {e.Message}", retryable: true, e);
        }
        throw new DownloadException($"{realm.Authority} answered without a token", retryable: false);
    }

    [GeneratedRegex("([A-Za-z]+)=\"([^\"]*)\"")]
    private static partial Regex Parameters();
}
