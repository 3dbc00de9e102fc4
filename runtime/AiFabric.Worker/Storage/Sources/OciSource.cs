using System.Security.Cryptography;
using System.Text.Json;
using AiFabric.Worker.Storage.Transfer;

namespace AiFabric.Worker.Storage.Sources;

/// <summary>
/// OCI registries (distribution specification 1.1): artifacts whose layers are named files, as ORAS and the CNCF's model format make them, and images
/// whose layers are archives. Manifest and layers are checked against their digests.
/// </summary>
internal sealed class OciSource : IRemoteSource
{
    private const int MaxManifestBytes = 4 << 20;

    private static readonly string[] ManifestTypes =
    [
        "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json",
    ];

    private readonly string uri;
    private readonly OciReference reference;
    private readonly Uri root;
    private readonly OciSession session;

    /// <exception cref="StorageException">The URI is malformed.</exception>
    public OciSource(string uri, string? revision, Func<string, string?> environment, TimeProvider time)
    {
        this.uri = uri;
        reference = OciReference.Parse(uri, revision);
        root = reference.BaseUri(environment("OCI_PLAIN_HTTP"));
        session = new OciSession(environment, time);
    }

    public async Task<RemoteListing> ListAsync(CancellationToken cancellationToken)
    {
        var (manifest, digest) = await ManifestAsync(reference.Reference, cancellationToken);
        using (manifest)
        {
            if (!manifest.RootElement.TryGetProperty("manifests", out var platforms))
                return ListingOf(manifest.RootElement, digest);
            var (chosen, inner) = await ManifestAsync(ChooseFrom(platforms), cancellationToken);
            using (chosen)
                return ListingOf(chosen.RootElement, inner);
        }
    }

    public Task<RemoteContent> OpenAsync(RemoteFile file, long offset, CancellationToken cancellationToken) =>
        session.OpenAsync(new RemoteRequest(HttpMethod.Get, new Uri(root, $"blobs/{file.Location}")) { Offset = offset }, cancellationToken);

    public void Dispose() => session.Dispose();

    private async Task<(JsonDocument Manifest, string Digest)> ManifestAsync(string tagOrDigest, CancellationToken cancellationToken)
    {
        var request = new RemoteRequest(HttpMethod.Get, new Uri(root, $"manifests/{tagOrDigest}")) { Accept = ManifestTypes };
        using var response = await session.AskAsync(request, cancellationToken);
        byte[] manifest = await session.ReadAsync(response, MaxManifestBytes, cancellationToken);
        string digest = "sha256:" + Convert.ToHexStringLower(SHA256.HashData(manifest));
        if (tagOrDigest.StartsWith("sha256:", StringComparison.Ordinal) && tagOrDigest != digest)
            throw new DownloadException($"{uri}: the registry sent the manifest {digest} for {tagOrDigest}", retryable: true);
        try
        {
            return (JsonDocument.Parse(manifest), digest);
        }
        catch (JsonException e)
        {
            throw new DownloadException($"{uri}: the manifest could not be read: {e.Message}", retryable: false, e);
        }
    }

    /// <summary>Models know no platform; an image may be there for several, with the same files in it.</summary>
    private string ChooseFrom(JsonElement platforms)
    {
        var entries = platforms.EnumerateArray().ToList();
        var chosen = entries.Find(entry => entry.TryGetProperty("platform", out var platform) && Text(platform, "architecture") == "amd64" && Text(platform, "os") == "linux");
        if (chosen.ValueKind == JsonValueKind.Undefined && entries.Count > 0)
            chosen = entries[0];
        return chosen.ValueKind == JsonValueKind.Object && Text(chosen, "digest") is { } digest
            ? digest
            : throw new DownloadException($"{uri} is an index without manifests", retryable: false);
    }

    private RemoteListing ListingOf(JsonElement manifest, string digest)
    {
        var files = new List<RemoteFile>();
        if (manifest.TryGetProperty("layers", out var layers) && layers.ValueKind == JsonValueKind.Array)
            files.AddRange(layers.EnumerateArray().Select((layer, index) => FileOf(layer, index)));
        return files.Count > 0 ? new RemoteListing(digest, files) : throw new DownloadException($"{uri} has no layers, so no files", retryable: false);
    }

    private RemoteFile FileOf(JsonElement layer, int index)
    {
        string type = Text(layer, "mediaType") ?? "";
        string digest = Text(layer, "digest") ?? "";
        if (ContentDigest.Parse(digest) is not { } checksum)
            throw new DownloadException($"{uri}: layer {index} has the digest '{digest}'; only sha256 is supported", retryable: false);
        _ = layer.TryGetProperty("annotations", out var notes);
        string? name = Text(notes, "org.opencontainers.image.title") ?? Text(notes, "org.cncf.model.filepath");
        var packing = PackingOf(type, name, unpack: Text(notes, "io.deis.oras.content.unpack") == "true");
        if (name is null && packing == Packing.None)
            throw new DownloadException($"{uri}: layer {index} ({type}) has no name (annotation org.opencontainers.image.title) and is no archive", retryable: false);
        return new RemoteFile(packing == Packing.None && name is not null ? name : $"layer-{index}", digest)
        {
            Size = layer.TryGetProperty("size", out var size) && size.TryGetInt64(out long bytes) ? bytes : null,
            Digest = checksum,
            Packing = packing,
        };
    }

    /// <summary>A named layer is the file itself, whatever its type says (ORAS gives files an archive's type), unless it says that it is packed.</summary>
    private static Packing PackingOf(string type, string? name, bool unpack)
    {
        bool gzip = type.EndsWith("+gzip", StringComparison.Ordinal) || type.EndsWith(".gzip", StringComparison.Ordinal);
        bool tar = type.Contains(".tar", StringComparison.Ordinal);
        if (unpack)
            return Packing.TarGzip;
        if (name is not null && !type.StartsWith("application/vnd.cncf.model.", StringComparison.Ordinal))
            return HttpSource.PackingOf(name);
        return !tar ? Packing.None : gzip ? Packing.TarGzip : Packing.Tar;
    }

    private static string? Text(JsonElement parent, string name) =>
        parent.ValueKind == JsonValueKind.Object && parent.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
