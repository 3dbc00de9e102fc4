using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using AiFabric.Worker.Storage.Transfer;

namespace AiFabric.Worker.Storage.Sources;

/// <summary>
/// The Hugging Face hub's protocol. <c>HF_ENDPOINT</c> names another hub or a mirror; <c>HF_TOKEN</c> is sent to it alone, never to the servers that it
/// redirects to. Large files have a SHA-256, small ones the name that Git gives them; both are checked.
/// </summary>
internal sealed class HubSource : IRemoteSource
{
    private const string Credentials = "HF_TOKEN";

    // About what is said of a million files.
    private const int MaxListBytes = 256 << 20;

    private readonly HubUri place;
    private readonly string uri;
    private readonly Uri endpoint;
    private readonly AuthenticationHeaderValue? token;
    private readonly HttpTransport http;

    /// <exception cref="StorageException">The URI or HF_ENDPOINT is malformed.</exception>
    public HubSource(string uri, string? revision, Func<string, string?> environment, TimeProvider time)
    {
        place = HubUri.Parse(uri, revision);
        this.uri = uri;
        string hub = environment("HF_ENDPOINT") is { Length: > 0 } given ? given : "https://huggingface.co";
        endpoint = Uri.TryCreate(hub.TrimEnd('/') + "/", UriKind.Absolute, out var parsed) && parsed.Scheme is "http" or "https"
            ? parsed
            : throw new StorageException($"HF_ENDPOINT is '{hub}'; it must be the http(s) URL of a hub.");
        token = environment(Credentials) is { Length: > 0 } secret ? new AuthenticationHeaderValue("Bearer", secret.Trim()) : null;
        http = new HttpTransport(time);
    }

    public async Task<RemoteListing> ListAsync(CancellationToken cancellationToken)
    {
        using var repository = await AskAsync(cancellationToken);
        string commit = repository.RootElement.TryGetProperty("sha", out var sha) && sha.GetString() is { Length: > 0 } given ? given : place.Revision;
        var files = new List<RemoteFile>();
        if (repository.RootElement.TryGetProperty("siblings", out var siblings) && siblings.ValueKind == JsonValueKind.Array)
        {
            foreach (var sibling in siblings.EnumerateArray())
            {
                if (sibling.TryGetProperty("rfilename", out var name) && name.GetString() is { } file && place.Wants(file))
                    files.Add(FileOf(sibling, file, commit));
            }
        }
        if (files.Count == 0)
        {
            string wanted = place.Path.Length > 0 ? $"no '{place.Path}'" : "none of the files that a worker reads (*.safetensors, *.json, *.model, *.txt, *.jinja); of GGUF files name one, as in hf://org/name/file.gguf";
            throw new DownloadException($"{uri} at {commit} holds {wanted}", retryable: false);
        }
        for (int i = 0; i < files.Count; i++)
        {
            if (files[i].Size is null)
                files[i] = await ProbeAsync(files[i], cancellationToken);
        }
        return new RemoteListing(commit, files);
    }

    public Task<RemoteContent> OpenAsync(RemoteFile file, long offset, CancellationToken cancellationToken) => http.OpenAsync(
        new RemoteRequest(HttpMethod.Get, new Uri(file.Location)) { Authorization = token, Offset = offset }, Credentials, cancellationToken);

    public void Dispose() => http.Dispose();

    private async Task<JsonDocument> AskAsync(CancellationToken cancellationToken)
    {
        var request = new RemoteRequest(HttpMethod.Get, place.ApiUri(endpoint)) { Authorization = token, Accept = ["application/json"] };
        using var response = await http.SendExpectingSuccessAsync(request, Credentials, cancellationToken);
        try
        {
            return JsonDocument.Parse(await http.ReadAsync(response, MaxListBytes, cancellationToken));
        }
        catch (JsonException e)
        {
            throw new DownloadException($"{request.Uri.Authority} answered what is no description of a repository: {e.Message}", retryable: false, e);
        }
    }

    private RemoteFile FileOf(JsonElement sibling, string file, string commit)
    {
        bool large = sibling.TryGetProperty("lfs", out var lfs) && lfs.ValueKind == JsonValueKind.Object;
        return new RemoteFile(place.LocalName(file), place.FileUri(endpoint, commit, file).AbsoluteUri)
        {
            Size = Number(large ? lfs : sibling, "size") ?? Number(sibling, "size"),
            Digest = large ? ContentDigest.FromHex(ContentDigest.Sha256, Text(lfs, "sha256") ?? Text(lfs, "oid")) : ContentDigest.FromHex(ContentDigest.GitBlob, Text(sibling, "blobId")),
        };
    }

    /// <summary>Asks for one file's size and checksum: mirrors may leave them out of the list.</summary>
    private async Task<RemoteFile> ProbeAsync(RemoteFile file, CancellationToken cancellationToken)
    {
        var request = new RemoteRequest(HttpMethod.Head, new Uri(file.Location)) { Authorization = token, Follow = false };
        using var response = await http.SendExpectingSuccessAsync(request, Credentials, cancellationToken);
        string? linked = Header(response, "X-Linked-ETag")?.Trim('"');
        string? etag = response.Headers.ETag is { IsWeak: false } tag ? tag.Tag.Trim('"') : null;
        return file with
        {
            Size = long.TryParse(Header(response, "X-Linked-Size"), NumberStyles.None, CultureInfo.InvariantCulture, out long size)
                ? size
                : HttpTransport.IsRedirect(response) ? null : response.Content.Headers.ContentLength,
            Digest = ContentDigest.FromHex(ContentDigest.Sha256, linked) ?? ContentDigest.FromHex(ContentDigest.GitBlob, linked ?? etag),
        };
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) || response.Content.Headers.TryGetValues(name, out values) ? values.FirstOrDefault() : null;

    private static string? Text(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static long? Number(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) ? number : null;
}
