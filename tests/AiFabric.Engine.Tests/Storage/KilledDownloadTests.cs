using System.Net.Http.Json;
using AiFabric.Engine.Tests.Worker;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;
using Xunit;

namespace AiFabric.Engine.Tests.Storage;

/// <summary>The worker as a process, which can be killed.</summary>
public sealed class KilledDownloadTests
{
    [Fact]
    public async Task A_worker_killed_in_the_middle_of_a_download_goes_on_where_it_was()
    {
        string demo = Path.Combine(Root(AppContext.BaseDirectory), "runtime", "models", "aifabric-demo-5m");
        using var folder = new TemporaryFolder();
        await using var hub = await FakeHub.StartAsync("aifabric/demo", demo);
        long weights = new FileInfo(Path.Combine(demo, "model.safetensors")).Length;
        long others = Directory.GetFiles(demo, "*.json").Sum(file => new FileInfo(file).Length);
        hub.Content.HoldAtHalf = new TaskCompletionSource().Task;
        using (var killed = Start(hub, folder))
        {
            await ReachAsync(killed, load => load.Loading?.DownloadedBytes == others + (weights / 2));
            await killed.KillAsync();
        }
        hub.Content.HoldAtHalf = Task.CompletedTask;
        using (var worker = Start(hub, folder))
            await ReachAsync(worker, load => load.Loading is null);
        var asked = hub.Content.Seen.ToArray();
        Assert.Equal(2, asked.Length);
        Assert.Equal($"bytes={weights / 2}-", asked[1].Range);
    }

    private static WorkerProcess Start(FakeHub hub, TemporaryFolder folder) =>
        WorkerProcess.Start("hf://aifabric/demo", ["--model-cache", folder.File("cache")], ("HF_ENDPOINT", hub.Hub.Url.AbsoluteUri));

    private static async Task ReachAsync(WorkerProcess worker, Func<LoadReport, bool> condition)
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{worker.ControlPort}") };
        await RunningWorker.EventuallyAsync(
            async () =>
            {
                Assert.False(worker.HasEnded, "The worker ended.");
                try
                {
                    return condition((await http.GetFromJsonAsync("/control/load", ControlJson.Default.LoadReport))!); // Never null.
                }
                catch (HttpRequestException)
                {
                    return false; // It does not listen yet.
                }
            },
            "the worker's download");
    }

    private static string Root(string folder) => File.Exists(Path.Combine(folder, "AiFabric.sln"))
        ? folder
        : Root(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("AiFabric.sln is in no folder above the tests"));
}
