using System.Diagnostics;
using AiFabric.Worker.Storage;
using Xunit;

namespace AiFabric.Engine.Tests.Storage;

public sealed class CacheTests : IAsyncLifetime
{
    private readonly StoreBench bench = new();
    private readonly TemporaryFolder mounts = new();
    private readonly List<string> mounted = [];
    private FakeWebServer? web;

    private FakeWebServer Web => web!; // Set before any test.

    public async ValueTask InitializeAsync() => web = await FakeWebServer.StartAsync();

    public async ValueTask DisposeAsync()
    {
        bench.Dispose();
        foreach (string path in mounted)
            Assert.Equal(0, await RunAsync("umount", path));
        mounts.Dispose();
        await Web.DisposeAsync();
    }

    [Fact]
    public async Task What_was_not_used_for_the_longest_time_goes_when_room_is_needed()
    {
        bench.MaxBytes = 2_500_000;
        string[] uris = [.. new[] { "a", "b", "c" }.Select(name => Put(name, 1_000_000))];
        using (var first = bench.NewStore())
            await first.DownloadModelAsync(uris[0], null, bench.Progress, CancellationToken.None);
        using (var second = bench.NewStore())
            await second.DownloadModelAsync(uris[1], null, bench.Progress, CancellationToken.None);
        using (var again = bench.NewStore()) // Now a is the younger one.
            await again.DownloadModelAsync(uris[0], null, bench.Progress, CancellationToken.None);
        await bench.DownloadAsync(uris[2]);
        Assert.Equal(2, bench.CachedKeys.Count);
        int before = Web.Seen.Count(seen => seen.Method == "GET");
        await bench.DownloadAsync(uris[0]);
        Assert.Equal(before, Web.Seen.Count(seen => seen.Method == "GET"));
    }

    [Fact]
    public async Task What_is_in_use_stays_and_the_limit_is_told()
    {
        bench.MaxBytes = 2_500_000;
        string used = await bench.DownloadAsync(Put("a", 1_000_000));
        string file = Path.Combine(used, "a");
        using var stop = new CancellationTokenSource();
        var download = bench.NewStore().DownloadModelAsync(Put("b", 2_000_000), null, bench.Progress, stop.Token);
        Assert.Matches(
            "^the model cache is limited to 2.4 MiB: 97[67].[0-9] KiB are in use and 1.9 MiB more are needed; raise --model-cache-bytes", await bench.FailureAsync());
        Assert.True(File.Exists(file));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => download);
    }

    [Fact]
    public async Task What_would_not_fit_anyway_removes_nothing()
    {
        bench.MaxBytes = 2_500_000;
        string small = Put("a", 1_000_000);
        using (var first = bench.NewStore())
            await first.DownloadModelAsync(small, null, bench.Progress, CancellationToken.None);
        using var stop = new CancellationTokenSource();
        var download = bench.NewStore().DownloadModelAsync(Put("b", 3_000_000), null, bench.Progress, stop.Token);
        Assert.Contains("limited to 2.4 MiB", await bench.FailureAsync(), StringComparison.Ordinal);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => download);
        int before = Web.Seen.Count(seen => seen.Method == "GET");
        await bench.DownloadAsync(small);
        Assert.Equal(before, Web.Seen.Count(seen => seen.Method == "GET"));
    }

    [Fact]
    public async Task A_download_that_nobody_goes_on_with_goes_as_well()
    {
        bench.MaxBytes = 2_500_000;
        string broken = Put("a", 2_000_000);
        Web.HoldAtHalf = new TaskCompletionSource().Task;
        using (var stop = new CancellationTokenSource())
        {
            var download = bench.NewStore().DownloadModelAsync(broken, null, bench.Progress, stop.Token);
            await Worker.RunningWorker.EventuallyAsync(() => Task.FromResult(bench.Progress.Current.DownloadedBytes > 0), "some bytes");
            await stop.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => download);
        }
        Web.HoldAtHalf = Task.CompletedTask;
        await bench.DownloadAsync(Put("b", 2_000_000));
        Assert.Single(bench.CachedKeys);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_full_disk_is_told_and_left_as_soon_as_there_is_room(bool sizeKnown)
    {
        string disk = await MountAsync("4m");
        await File.WriteAllBytesAsync(Path.Combine(disk, "ballast"), new byte[3 << 20]);
        string uri = Put("a", 2_000_000);
        if (!sizeKnown)
            Web.Before = context => HideSizeAsync(context);
        using var store = bench.NewStore(Path.Combine(disk, "cache"));
        var download = store.DownloadModelAsync(uri, null, bench.Progress, CancellationToken.None);
        Assert.Contains($"the disk of the model cache is full: {disk}/cache", await bench.FailureAsync(), StringComparison.Ordinal);
        File.Delete(Path.Combine(disk, "ballast"));
        Assert.Equal(2_000_000, new FileInfo(Path.Combine(await download, "a")).Length);
    }

    [Fact]
    public async Task Room_on_the_disk_that_one_download_counts_on_is_not_given_to_another()
    {
        string cache = Path.Combine(await MountAsync("4m"), "cache");
        var arrive = new TaskCompletionSource();
        Web.HoldAtHalf = arrive.Task;
        var started = new LoadingProgress();
        var first = bench.NewStore(cache).DownloadModelAsync(Put("a", 2_500_000), null, started, CancellationToken.None);
        await Worker.RunningWorker.EventuallyAsync(() => Task.FromResult(started.Current.DownloadedBytes > 0), "some bytes");
        using var stop = new CancellationTokenSource();
        var second = bench.NewStore(cache).DownloadModelAsync(Put("b", 2_500_000), null, bench.Progress, stop.Token);
        Assert.Contains("the disk of the model cache is full", await bench.FailureAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain(Web.Seen, seen => seen is { Method: "GET", Path: "/b" });
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        arrive.SetResult();
        Assert.Equal(2_500_000, new FileInfo(Path.Combine(await first, "a")).Length);
    }

    [Fact]
    public async Task A_disk_that_is_full_to_its_last_byte_gets_room_from_what_is_not_used()
    {
        string disk = await MountAsync("4m"), cache = Path.Combine(disk, "cache");
        using (var old = bench.NewStore(cache))
            await old.DownloadModelAsync(Put("a", 1_000_000), null, bench.Progress, CancellationToken.None);
        await using (var ballast = File.Create(Path.Combine(disk, "ballast"), bufferSize: 0))
            await Assert.ThrowsAsync<IOException>(async () => await ballast.WriteAsync(new byte[4 << 20]));
        string folder = await bench.NewStore(cache).DownloadModelAsync(Put("b", 500_000), null, bench.Progress, CancellationToken.None).WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(500_000, new FileInfo(Path.Combine(folder, "b")).Length);
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_is_told()
    {
        string file = mounts.Write("file", "");
        using var store = bench.NewStore(Path.Combine(file, "cache"));
        var refused = await Assert.ThrowsAsync<StorageException>(() => store.DownloadModelAsync(Put("a", 10), null, bench.Progress, CancellationToken.None));
        Assert.Contains("Mount a writable volume there, or set --model-cache", refused.Message, StringComparison.Ordinal);
    }

    private string Put(string name, int bytes)
    {
        byte[] content = new byte[bytes];
        new Random(name[0]).NextBytes(content);
        Web.Files["/" + name] = content;
        return new Uri(Web.Url, "/" + name).AbsoluteUri;
    }

    /// <summary>As servers do that make what they send on the way.</summary>
    private async Task<bool> HideSizeAsync(Microsoft.AspNetCore.Http.HttpContext context)
    {
        if (context.Request.Method != "HEAD")
            await context.Response.Body.WriteAsync(Web.Files[context.Request.Path.Value!]); // The test asks for nothing else.
        return true;
    }

    /// <summary>A small disk in memory.</summary>
    private async Task<string> MountAsync(string size)
    {
        string path = Directory.CreateDirectory(mounts.File("disk")).FullName;
        Assert.SkipUnless(Environment.IsPrivilegedProcess && await RunAsync("mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", path) == 0, "mounting a small disk takes root");
        mounted.Add(path);
        return path;
    }

    private static async Task<int> RunAsync(string command, params string[] arguments)
    {
        using var process = Process.Start(command, arguments);
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}
