using System.Formats.Tar;
using System.IO.Compression;
using AiFabric.Worker.Storage;
using AiFabric.Worker.Storage.Sources;
using Xunit;

namespace AiFabric.Engine.Tests.Storage;

public sealed class OciTests : IDisposable
{
    private const string RawType = "application/vnd.oci.image.layer.v1.tar";

    private readonly StoreBench bench = new();
    private readonly ModelFolder model = new();

    [Fact]
    public async Task An_artifact_of_named_files_is_downloaded_with_tokens_that_expire()
    {
        await using var registry = await FakeRegistry.StartAsync();
        registry.TokenUses = 2;
        string digest = registry.Push("v1", NamedFiles());
        foreach (string reference in (string[])[":v1", "@" + digest, ":v1@" + digest])
            StoreBench.AssertSame(model.Path, await bench.DownloadAsync($"oci://{registry.Authority}/{FakeRegistry.Repository}{reference}"));
        Assert.True(registry.TokensGiven >= 2);
        Assert.All(registry.Content.Seen, seen => Assert.Equal("", seen.Authorization));
        Assert.Single(bench.CachedKeys); // One content, one copy.
    }

    [Fact]
    public async Task An_image_is_unpacked_layer_over_layer()
    {
        await using var registry = await FakeRegistry.StartAsync();
        registry.TokenUses = 100;
        string digest = registry.Push(
            "amd64",
            ("application/vnd.oci.image.layer.v1.tar+gzip", Tar(gzip: true, ("models/config.json", "old"u8.ToArray()), ("models/stale.txt", "x"u8.ToArray())), null),
            ("application/vnd.oci.image.layer.v1.tar", Tar(gzip: false, ("models/config.json", "new"u8.ToArray()), ("models/.wh.stale.txt", [])), null));
        string other = registry.Push("arm64", NamedFiles());
        registry.PushIndex("latest", (other, "arm64"), (digest, "amd64"));
        string folder = await bench.DownloadAsync($"oci://{registry.Authority}/{FakeRegistry.Repository}");
        Assert.Equal("new", await File.ReadAllTextAsync(Assert.Single(Directory.GetFiles(folder))));
    }

    [Fact]
    public async Task Credentials_go_to_the_realm_and_a_refusal_names_the_variables()
    {
        await using var registry = await FakeRegistry.StartAsync();
        registry.Push("v1", NamedFiles());
        registry.Login = "ann:secret";
        string uri = $"oci://{registry.Authority}/{FakeRegistry.Repository}:v1";
        using (var stop = new CancellationTokenSource())
        {
            var refused = bench.NewStore().DownloadModelAsync(uri, null, bench.Progress, stop.Token);
            Assert.Contains("401: who are you?; set OCI_USERNAME and OCI_PASSWORD", await bench.FailureAsync(), StringComparison.Ordinal);
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => refused);
        }
        (bench.Environment["OCI_USERNAME"], bench.Environment["OCI_PASSWORD"]) = ("ann", "secret");
        StoreBench.AssertSame(model.Path, await bench.DownloadAsync(uri));
    }

    [Fact]
    public async Task A_manifest_that_is_not_the_one_asked_for_is_refused()
    {
        await using var registry = await FakeRegistry.StartAsync();
        string digest = registry.Push("v1", NamedFiles());
        registry.Tamper(digest);
        using var stop = new CancellationTokenSource();
        var download = bench.NewStore().DownloadModelAsync($"oci://{registry.Authority}/{FakeRegistry.Repository}@{digest}", null, bench.Progress, stop.Token);
        Assert.Contains($"for {digest}", await bench.FailureAsync(), StringComparison.Ordinal);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => download);
    }

    [Fact]
    public async Task A_tag_that_is_not_there_is_told()
    {
        await using var registry = await FakeRegistry.StartAsync();
        using var stop = new CancellationTokenSource();
        var download = bench.NewStore().DownloadModelAsync($"oci://{registry.Authority}/{FakeRegistry.Repository}:v9", null, bench.Progress, stop.Token);
        Assert.Contains("404: manifest unknown", await bench.FailureAsync(), StringComparison.Ordinal);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => download);
    }

    [Theory]
    [InlineData("oci://registry.example/team/model:v1", null, "registry.example", "team/model", "v1")]
    [InlineData("oci://registry.example:5000/model", null, "registry.example:5000", "model", "latest")]
    [InlineData("oci://registry.example/model", "v2", "registry.example", "model", "v2")]
    [InlineData("oci://docker.io/org/model:v1", "v1", "registry-1.docker.io", "org/model", "v1")]
    public void A_reference_is_read(string uri, string? revision, string registry, string repository, string reference) =>
        Assert.Equal(new OciReference(registry, repository, reference), OciReference.Parse(uri, revision));

    [Theory]
    [InlineData("oci://registry.example", null, "names no artifact")]
    [InlineData("oci://registry.example/Model:v1", null, "names no artifact")]
    [InlineData("oci://registry.example/model@sha256:12", null, "names no artifact")]
    [InlineData("oci://registry.example/model:v1", "v2", "names 'v1', yet the revision 'v2'")]
    public void A_reference_that_is_none_is_refused(string uri, string? revision, string message) =>
        Assert.Contains(message, Assert.Throws<StorageException>(() => OciReference.Parse(uri, revision)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("registry.example", null, "https://registry.example/v2/m/")]
    [InlineData("localhost:5000", null, "http://localhost:5000/v2/m/")]
    [InlineData("[::1]:5000", null, "http://[::1]:5000/v2/m/")]
    [InlineData("registry.local:80", "other, registry.local:80", "http://registry.local/v2/m/")]
    public void A_registry_is_spoken_to_over_tls_but_for_this_machine_and_those_named(string registry, string? plain, string url) =>
        Assert.Equal(url, new OciReference(registry, "m", "v").BaseUri(plain).AbsoluteUri);

    public void Dispose()
    {
        bench.Dispose();
        model.Dispose();
    }

    private (string MediaType, byte[] Content, Dictionary<string, string>? Annotations)[] NamedFiles() =>
        [.. Directory.GetFiles(model.Path).Select(file => (RawType, File.ReadAllBytes(file), (Dictionary<string, string>?)new Dictionary<string, string> { ["org.opencontainers.image.title"] = Path.GetFileName(file) }))];

    private static byte[] Tar(bool gzip, params (string Name, byte[] Content)[] files)
    {
        using var bytes = new MemoryStream();
        using (var writer = new TarWriter(gzip ? new GZipStream(bytes, CompressionLevel.Fastest, leaveOpen: true) : bytes, TarEntryFormat.Pax, leaveOpen: !gzip))
        {
            foreach (var (name, content) in files)
                writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content) });
        }
        return bytes.ToArray();
    }
}
