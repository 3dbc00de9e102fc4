using System.Diagnostics;
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
        using (var killed = Start(hub, folder, out int control))
        {
            await ReachAsync(killed, control, load => load.Loading?.DownloadedBytes == others + (weights / 2));
            killed.Kill();
            await killed.WaitForExitAsync();
            Assert.Equal(137, killed.ExitCode);
        }
        hub.Content.HoldAtHalf = Task.CompletedTask;
        using var worker = Start(hub, folder, out int port);
        try
        {
            await ReachAsync(worker, port, load => load.Loading is null);
        }
        finally
        {
            worker.Kill();
            await worker.WaitForExitAsync();
        }
        var asked = hub.Content.Seen.ToArray();
        Assert.Equal(2, asked.Length);
        Assert.Equal($"bytes={weights / 2}-", asked[1].Range);
    }

    private static Process Start(FakeHub hub, TemporaryFolder folder, out int controlPort)
    {
        // artifacts/bin/AiFabric.Engine.Tests/release_linux-x64 → artifacts/bin/AiFabric.Worker/release_linux-x64
        var built = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/'));
        string executable = Path.Combine(built.Parent!.Parent!.FullName, "AiFabric.Worker", built.Name, "aifabric-worker"); // See above.
        int[] ports = FreePorts();
        controlPort = ports[1];
        var start = new ProcessStartInfo(executable) { RedirectStandardOutput = true, RedirectStandardError = true };
        string[] arguments =
        [
            "serve", "--model", "hf://aifabric/demo", "--served-name", "demo", "--port", $"{ports[0]}", "--control-port", $"{ports[1]}", "--threads", "1",
            "--model-cache", folder.File("cache"),
        ];
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        start.Environment["HF_ENDPOINT"] = hub.Hub.Url.AbsoluteUri;
        var process = Process.Start(start)!; // Null only for shell documents.
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private static async Task ReachAsync(Process worker, int controlPort, Func<LoadReport, bool> condition)
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{controlPort}") };
        await RunningWorker.EventuallyAsync(
            async () =>
            {
                Assert.False(worker.HasExited, "The worker ended.");
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

    private static int[] FreePorts()
    {
        using var one = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        using var two = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        one.Start();
        two.Start();
        return [((System.Net.IPEndPoint)one.LocalEndpoint).Port, ((System.Net.IPEndPoint)two.LocalEndpoint).Port];
    }

    private static string Root(string folder) => File.Exists(Path.Combine(folder, "AiFabric.sln"))
        ? folder
        : Root(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("AiFabric.sln is in no folder above the tests"));
}
