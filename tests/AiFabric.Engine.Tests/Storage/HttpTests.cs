using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using AiFabric.Worker.Storage.Sources;
using Xunit;

namespace AiFabric.Engine.Tests.Storage;

public sealed class HttpTests : IDisposable
{
    private readonly StoreBench bench = new();
    private readonly ModelFolder model = new();
    private readonly TemporaryFolder work = new();

    [Theory]
    [InlineData("model.tar", true)]
    [InlineData("model.tar.gz", false)]
    [InlineData("model.tgz", true)]
    [InlineData("model.zip", false)]
    public async Task An_archive_is_unpacked_with_or_without_a_folder_around(string name, bool folder)
    {
        await using var web = await FakeWebServer.StartAsync();
        web.Files["/a/" + name] = Pack(name, folder);
        StoreBench.AssertSame(model.Path, await bench.DownloadAsync(new Uri(web.Url, "/a/" + name).AbsoluteUri));
    }

    [Fact]
    public async Task A_folder_is_read_by_its_list_of_checksums()
    {
        await using var web = await FakeWebServer.StartAsync();
        await File.WriteAllBytesAsync(Path.Combine(model.Path, "added_tokens.json"), []); // An empty file is one too.
        foreach (string file in Directory.GetFiles(model.Path))
            web.Files["/m/" + Path.GetFileName(file)] = await File.ReadAllBytesAsync(file);
        web.Files["/m/SHA256SUMS"] = System.Text.Encoding.UTF8.GetBytes(string.Concat(Directory.GetFiles(model.Path)
            .Select(file => $"{Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)))}  ./{Path.GetFileName(file)}\n")));
        StoreBench.AssertSame(model.Path, await bench.DownloadAsync(new Uri(web.Url, "/m/").AbsoluteUri));
    }

    [Fact]
    public async Task A_revision_is_the_checksum_that_an_archive_must_have()
    {
        await using var web = await FakeWebServer.StartAsync();
        byte[] archive = web.Files["/model.zip"] = Pack("model.zip", false);
        string uri = new Uri(web.Url, "/model.zip").AbsoluteUri;
        StoreBench.AssertSame(model.Path, await bench.DownloadAsync(uri, "sha256:" + Convert.ToHexStringLower(SHA256.HashData(archive))));
        await using var store = new Stop(bench, uri, "sha256:" + new string('a', 64));
        Assert.Contains("checksum sha256:aaaa", await bench.FailureAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_changed_half_way_is_fetched_from_the_start()
    {
        await using var web = await FakeWebServer.StartAsync();
        web.Files["/model.tar"] = Pack("model.tar", false);
        using var other = new ModelFolder(seed: 2);
        byte[] changed = Pack("other.tar", false, other.Path);
        int asked = 0;
        web.Before = context =>
        {
            if (context.Request.Method == "GET" && Interlocked.Increment(ref asked) == 2)
                web.Files["/model.tar"] = changed;
            return Task.FromResult(false);
        };
        web.Cut(times: 1, afterBytes: 500_000);
        // The second answer is another content of the same size; no checksum tells, but If-Range does.
        StoreBench.AssertSame(other.Path, await bench.DownloadAsync(new Uri(web.Url, "/model.tar").AbsoluteUri));
        Assert.NotEqual("", web.Seen.Last().Range);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_file_that_changed_is_fetched_anew_though_no_strong_tag_tells(bool weakTag)
    {
        await using var web = await FakeWebServer.StartAsync();
        web.Tags = false;
        string uri = new Uri(web.Url, "/train.jsonl").AbsoluteUri;
        foreach (int version in (int[])[1, 2])
        {
            web.Before = context =>
            {
                if (weakTag)
                    context.Response.Headers.ETag = $"W/\"{version}\"";
                else
                    context.Response.Headers.LastModified = DateTimeOffset.UnixEpoch.AddDays(version).ToString("R");
                return Task.FromResult(false);
            };
            web.Files["/train.jsonl"] = [(byte)version];
            Assert.Equal([(byte)version], await File.ReadAllBytesAsync((await bench.NewStore().FileAsync(uri, CancellationToken.None)).Path));
        }
    }

    [Fact]
    public async Task Credentials_are_sent_and_a_refusal_names_the_variables()
    {
        await using var web = await FakeWebServer.StartAsync();
        web.Files["/model.zip"] = Pack("model.zip", false);
        web.Before = context =>
        {
            bool refused = context.Request.Headers.Authorization != "Basic " + Convert.ToBase64String("ann:pass word"u8);
            if (refused)
                context.Response.StatusCode = 403;
            return Task.FromResult(refused);
        };
        string uri = new Uri(web.Url, "/model.zip").AbsoluteUri;
        await using (new Stop(bench, uri, null))
            Assert.Contains("answered 403: Forbidden; set HTTP_BEARER_TOKEN, or HTTP_USERNAME and HTTP_PASSWORD,", await bench.FailureAsync(), StringComparison.Ordinal);
        (bench.Environment["HTTP_USERNAME"], bench.Environment["HTTP_PASSWORD"]) = ("ann", "pass word");
        StoreBench.AssertSame(model.Path, await bench.DownloadAsync(uri));
    }

    [Theory]
    [InlineData(403, true)]
    [InlineData(405, true)]
    [InlineData(405, false)]
    [InlineData(501, true)]
    public async Task A_server_that_refuses_head_is_asked_for_the_first_byte(int refusal, bool ranges)
    {
        await using var web = await FakeWebServer.StartAsync();
        byte[] archive = web.Files["/model.zip"] = Pack("model.zip", false);
        web.Before = context =>
        {
            bool refused = context.Request.Method == "HEAD";
            if (refused)
                context.Response.StatusCode = refusal;
            if (!ranges)
                context.Request.Headers.Remove("Range");
            return Task.FromResult(refused);
        };
        string uri = new Uri(web.Url, "/model.zip?X-Amz-Signature=secret").AbsoluteUri;
        using (var source = new HttpSource(uri, null, _ => null, TimeProvider.System))
        {
            var file = Assert.Single((await source.ListAsync(CancellationToken.None)).Files);
            Assert.Equal(((long?)archive.Length, FakeWebServer.TagOf(archive)), (file.Size, file.ETag));
        }
        Assert.Equal(["", "bytes=0-0"], web.Seen.Select(seen => seen.Range));
        StoreBench.AssertSame(model.Path, await bench.DownloadAsync(uri));
    }

    [Theory]
    [InlineData(405)]
    [InlineData(501)]
    public async Task Only_the_refusal_of_get_is_told(int refusal)
    {
        await using var web = await FakeWebServer.StartAsync();
        web.Before = context =>
        {
            context.Response.StatusCode = context.Request.Method == "HEAD" ? refusal : 404;
            return Task.FromResult(true);
        };
        await using var store = new Stop(bench, new Uri(web.Url, "/model.zip").AbsoluteUri, null);
        Assert.Contains("/model.zip answered 404: Not Found; check name and revision", await bench.FailureAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_log_leaves_out_what_a_url_is_signed_with()
    {
        await using var web = await FakeWebServer.StartAsync();
        var log = new RecordingLog();
        bench.Log = log;
        string uri = new Uri(web.Url, "/model.zip?X-Amz-Signature=secret").AbsoluteUri;
        await using (new Stop(bench, uri, null))
            await bench.FailureAsync();
        web.Files["/model.zip"] = Pack("model.zip", false);
        await bench.DownloadAsync(uri);
        web.Before = context =>
        {
            context.Response.StatusCode = 500;
            return Task.FromResult(true);
        };
        await bench.DownloadAsync(uri);
        string place = uri.Split('?')[0];
        foreach (string begin in (string[])[$"{place}: ", $"Downloading {place} at ", $"Downloaded {place} as ", $"{place} cannot be asked "])
            Assert.Contains(log.Lines, line => line.StartsWith(begin, StringComparison.Ordinal));
        Assert.DoesNotContain(log.Lines, line => line.Contains("secret", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("../evil", "'../evil' is refused")]
    [InlineData("/etc/evil", "'/etc/evil' is refused")]
    [InlineData("a/../../evil", "is refused")]
    public async Task An_archive_cannot_write_outside_of_its_folder(string entry, string message)
    {
        await using var web = await FakeWebServer.StartAsync();
        using var tar = new MemoryStream();
        await using (var writer = new TarWriter(tar, TarEntryFormat.Ustar, leaveOpen: true))
            await writer.WriteEntryAsync(new UstarTarEntry(TarEntryType.RegularFile, entry) { DataStream = new MemoryStream([1]) });
        web.Files["/evil.tar"] = tar.ToArray();
        await using var store = new Stop(bench, new Uri(web.Url, "/evil.tar").AbsoluteUri, null);
        Assert.Contains(message, await bench.FailureAsync(), StringComparison.Ordinal);
        Assert.Empty(bench.CachedKeys);
    }

    [Fact]
    public async Task An_archive_with_a_link_is_refused()
    {
        await using var web = await FakeWebServer.StartAsync();
        using var tar = new MemoryStream();
        await using (var writer = new TarWriter(tar, TarEntryFormat.Pax, leaveOpen: true))
            await writer.WriteEntryAsync(new PaxTarEntry(TarEntryType.SymbolicLink, "model.safetensors") { LinkName = "/etc/passwd" });
        web.Files["/link.tar"] = tar.ToArray();
        await using var store = new Stop(bench, new Uri(web.Url, "/link.tar").AbsoluteUri, null);
        Assert.Contains("'model.safetensors' is a SymbolicLink; only files and folders are taken", await bench.FailureAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cut_archive_is_told()
    {
        await using var web = await FakeWebServer.StartAsync();
        web.Files["/model.zip"] = Pack("model.zip", false)[..1_000_000];
        await using var store = new Stop(bench, new Uri(web.Url, "/model.zip").AbsoluteUri, null);
        Assert.Contains("model.zip is no valid Zip archive", await bench.FailureAsync(), StringComparison.Ordinal);
    }

    public void Dispose()
    {
        bench.Dispose();
        model.Dispose();
        work.Dispose();
    }

    private byte[] Pack(string name, bool folder, string? source = null)
    {
        string target = work.File(name);
        string from = source ?? model.Path;
        if (name.EndsWith(".zip", StringComparison.Ordinal))
        {
            ZipFile.CreateFromDirectory(from, target, CompressionLevel.Fastest, folder);
            return File.ReadAllBytes(target);
        }
        TarFile.CreateFromDirectory(from, target, folder);
        if (name.EndsWith(".tar", StringComparison.Ordinal))
            return File.ReadAllBytes(target);
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
            gzip.Write(File.ReadAllBytes(target));
        return packed.ToArray();
    }

    /// <summary>A download that is going to fail, and is stopped at the end of the test.</summary>
    private sealed class Stop : IAsyncDisposable
    {
        private readonly CancellationTokenSource source = new();
        private readonly Task<string> download;

        public Stop(StoreBench bench, string uri, string? revision) => download = bench.NewStore().DownloadModelAsync(uri, revision, bench.Progress, source.Token);

        public async ValueTask DisposeAsync()
        {
            await source.CancelAsync();
            await ((Task)download).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            source.Dispose();
        }
    }
}
