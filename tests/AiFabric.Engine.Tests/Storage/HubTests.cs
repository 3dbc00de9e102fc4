using AiFabric.Protocol.Control;
using AiFabric.Worker.Storage;
using AiFabric.Worker.Storage.Sources;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Engine.Tests.Storage;

public sealed class HubTests : IDisposable
{
    private readonly StoreBench bench = new();
    private readonly ModelFolder model = new();

    [Fact]
    public async Task A_repository_is_downloaded_at_the_commit_its_branch_stands_for()
    {
        await using var hub = await StartAsync();
        string folder = await bench.DownloadAsync("hf://org/tiny");
        StoreBench.AssertSame(model.Path, folder);
        Assert.Equal(3, Directory.GetFiles(folder).Length); // Neither pytorch_model.bin nor onnx/.
        Assert.Contains(hub.Hub.Seen, seen => seen.Path == "/api/models/org/tiny/revision/main");
        Assert.Contains(hub.Hub.Seen, seen => seen.Path == $"/org/tiny/resolve/{FakeHub.Commit}/config.json");
    }

    [Fact]
    public async Task Of_folders_only_how_a_model_pools_is_downloaded_and_weights_only_once()
    {
        await using var hub = await StartAsync("1_Pooling/config.json", "onnx/config.json", "consolidated.safetensors");
        string folder = await bench.DownloadAsync("hf://org/tiny");
        Assert.Equal(
            ["1_Pooling/config.json", "config.json", "model.safetensors", "tokenizer.json"],
            Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(folder, file)).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("hf://org/tiny@v1", null)]
    [InlineData("hf://org/tiny", "v1")]
    [InlineData("hf://org/tiny@v1", "v1")]
    public async Task A_revision_is_taken_from_the_uri_or_from_beside_it(string uri, string? revision)
    {
        await using var hub = await StartAsync();
        await bench.DownloadAsync(uri, revision);
        Assert.Contains(hub.Hub.Seen, seen => seen.Path == "/api/models/org/tiny/revision/v1");
    }

    [Fact]
    public async Task The_token_goes_to_the_hub_and_to_nobody_else()
    {
        await using var hub = await StartAsync();
        hub.Token = bench.Environment["HF_TOKEN"] = "hf_secret";
        await bench.DownloadAsync("hf://org/tiny");
        Assert.All(hub.Hub.Seen, seen => Assert.Equal("Bearer hf_secret", seen.Authorization));
        Assert.NotEmpty(hub.Content.Seen);
        Assert.All(hub.Content.Seen, seen => Assert.Equal("", seen.Authorization));
    }

    [Fact]
    public async Task A_gated_repository_is_told_in_the_hubs_own_words_and_taken_once_access_is_granted()
    {
        await using var hub = await StartAsync();
        hub.Token = "hf_other";
        var download = bench.DownloadAsync("hf://org/tiny");
        string message = await bench.FailureAsync();
        Assert.Contains("401: Access to model org/tiny is restricted.", message, StringComparison.Ordinal);
        Assert.Contains("set HF_TOKEN in the Secret that spec.model.credentialsSecretRef names", message, StringComparison.Ordinal);
        hub.Token = null;
        StoreBench.AssertSame(model.Path, await download);
    }

    [Theory]
    [InlineData(200)]
    [InlineData(503)]
    public async Task A_hub_that_falls_silent_in_mid_answer_is_given_up(int status)
    {
        await using var web = await FakeWebServer.StartAsync();
        web.Before = async context =>
        {
            context.Response.StatusCode = status;
            await context.Response.WriteAsync("{\"siblings\":");
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
            return true;
        };
        var clock = new FakeTimeProvider();
        using var source = new HubSource("hf://org/tiny", null, name => name == "HF_ENDPOINT" ? web.Url.AbsoluteUri : null, clock);
        var listing = source.ListAsync(CancellationToken.None);
        await Worker.RunningWorker.EventuallyAsync(
            () =>
            {
                clock.Advance(TimeSpan.FromSeconds(1));
                return Task.FromResult(listing.IsCompleted);
            },
            "an end of the wait");
        Assert.True((await Assert.ThrowsAsync<DownloadException>(() => listing)).IsRetryable);
    }

    [Fact]
    public async Task A_revision_that_is_not_there_is_told()
    {
        await using var hub = await StartAsync();
        using var stop = new CancellationTokenSource();
        var download = bench.NewStore().DownloadModelAsync("hf://org/tiny@v9", null, bench.Progress, stop.Token);
        Assert.Contains("404: Invalid rev id: v9", await bench.FailureAsync(), StringComparison.Ordinal);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => download);
    }

    [Fact]
    public async Task A_busy_hub_is_asked_again()
    {
        await using var hub = await StartAsync();
        hub.Busy = 2;
        StoreBench.AssertSame(model.Path, await bench.DownloadAsync("hf://org/tiny"));
        Assert.Null(bench.Progress.Current.Message);
    }

    [Fact]
    public async Task A_mirror_that_lists_no_sizes_is_asked_for_each_file()
    {
        await using var hub = await StartAsync();
        hub.ListsBlobs = false;
        StoreBench.AssertSame(model.Path, await bench.DownloadAsync("hf://org/tiny"));
        Assert.Equal(3, hub.Hub.Seen.Count(seen => seen.Method == "HEAD"));
    }

    [Fact]
    public async Task Broken_connections_go_on_where_they_broke()
    {
        await using var hub = await StartAsync();
        hub.Content.Cut(times: 3, afterBytes: 500_000);
        StoreBench.AssertSame(model.Path, await bench.DownloadAsync("hf://org/tiny"));
        string[] ranges = [.. hub.Content.Seen.Select(seen => seen.Range)];
        Assert.Equal(4, ranges.Length);
        Assert.All(ranges[1..], range => Assert.Matches("^bytes=[1-9][0-9]*-$", range));
    }

    [Fact]
    public async Task Wrong_content_is_refused_and_fetched_anew()
    {
        await using var hub = await StartAsync();
        var (path, right) = Assert.Single(hub.Content.Files);
        byte[] wrong = (byte[])right.Clone();
        wrong[1_000_000] ^= 1;
        hub.Content.Files[path] = wrong;
        var download = bench.DownloadAsync("hf://org/tiny");
        Assert.Contains("model.safetensors: the content sent is not what the server's checksum sha256:", await bench.FailureAsync(), StringComparison.Ordinal);
        hub.Content.Files[path] = right;
        StoreBench.AssertSame(model.Path, await download);
    }

    [Fact]
    public async Task Small_files_are_checked_by_the_name_that_git_gives_them()
    {
        await using var hub = await StartAsync();
        string path = $"/org/tiny/resolve/{FakeHub.Commit}/config.json";
        byte[] right = hub.Hub.Files[path];
        hub.Hub.Files[path] = [.. right[..^1], (byte)' '];
        var download = bench.DownloadAsync("hf://org/tiny");
        Assert.Contains("checksum git-blob:", await bench.FailureAsync(), StringComparison.Ordinal);
        hub.Hub.Files[path] = right;
        StoreBench.AssertSame(model.Path, await download);
    }

    [Fact]
    public async Task What_was_downloaded_once_is_used_while_the_hub_is_away()
    {
        await using (await StartAsync())
            await bench.DownloadAsync("hf://org/tiny");
        StoreBench.AssertSame(model.Path, await bench.DownloadAsync("hf://org/tiny"));
    }

    [Fact]
    public async Task Two_workers_of_one_cache_download_once()
    {
        await using var hub = await StartAsync();
        var held = new TaskCompletionSource();
        hub.Content.HoldAtHalf = held.Task;
        var (first, second) = (new LoadingProgress(), new LoadingProgress());
        Task<string>[] downloads = [bench.DownloadAsync("hf://org/tiny", null, first), bench.DownloadAsync("hf://org/tiny", null, second)];
        await Worker.RunningWorker.EventuallyAsync(
            () => Task.FromResult(new[] { first, second }.Count(p => p.Current is { State: LoadingState.Waiting, DownloadedBytes: > 1_000_000 }) == 1
                && new[] { first, second }.Count(p => p.Current is { State: LoadingState.Downloading, DownloadedBytes: > 1_000_000 }) == 1),
            "one downloads, the other waits and sees how far it is");
        held.SetResult();
        string[] folders = await Task.WhenAll(downloads);
        Assert.Equal(folders[0], folders[1]);
        StoreBench.AssertSame(model.Path, folders[0]);
        Assert.Single(hub.Content.Seen);
    }

    [Fact]
    public async Task A_file_that_the_disk_lost_is_fetched_anew()
    {
        await using var hub = await StartAsync();
        string folder = await bench.DownloadAsync("hf://org/tiny");
        await File.WriteAllTextAsync(Path.Combine(folder, "config.json"), "cut");
        StoreBench.AssertSame(model.Path, await bench.DownloadAsync("hf://org/tiny"));
    }

    public void Dispose()
    {
        bench.Dispose();
        model.Dispose();
    }

    private async Task<FakeHub> StartAsync(params string[] others)
    {
        var hub = await FakeHub.StartAsync("org/tiny", model.Path, others);
        bench.Environment["HF_ENDPOINT"] = hub.Hub.Url.AbsoluteUri;
        return hub;
    }
}
