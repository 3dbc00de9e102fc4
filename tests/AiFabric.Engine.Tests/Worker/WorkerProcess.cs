using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>The worker as a process of its own, on two free loopback ports; disposal kills it.</summary>
internal sealed class WorkerProcess : IDisposable
{
    private readonly Process process;

    private WorkerProcess(Process process, int port, int controlPort) => (this.process, Port, ControlPort) = (process, port, controlPort);

    public int Port { get; }

    public int ControlPort { get; }

    public bool HasEnded => process.HasExited;

    /// <param name="model">URI of the model.</param>
    /// <param name="arguments">Further arguments of <c>serve</c>.</param>
    /// <param name="environment">Variables to set.</param>
    public static WorkerProcess Start(string model, string[] arguments, params (string Name, string Value)[] environment)
    {
        // artifacts/bin/AiFabric.Engine.Tests/release_linux-x64 → artifacts/bin/AiFabric.Worker/release_linux-x64
        var built = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/'));
        string executable = Path.Combine(built.Parent!.Parent!.FullName, "AiFabric.Worker", built.Name, "aifabric-worker"); // See above.
        int[] ports = FreePorts();
        var start = new ProcessStartInfo(executable) { RedirectStandardOutput = true, RedirectStandardError = true };
        string[] all = ["serve", "--model", model, "--served-name", "demo", "--port", $"{ports[0]}", "--control-port", $"{ports[1]}", "--threads", "1", .. arguments];
        foreach (string argument in all)
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        var process = Process.Start(start)!; // Null only for shell documents.
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return new WorkerProcess(process, ports[0], ports[1]);
    }

    public async Task KillAsync()
    {
        process.Kill();
        await process.WaitForExitAsync();
        Assert.Equal(137, process.ExitCode);
    }

    /// <summary>Waits until the model is loaded and has computed.</summary>
    public async Task BeReadyAsync()
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{Port}") };
        await RunningWorker.EventuallyAsync(
            async () =>
            {
                Assert.False(process.HasExited, "The worker ended.");
                try
                {
                    return (await http.GetAsync("/ready")).IsSuccessStatusCode;
                }
                catch (HttpRequestException)
                {
                    return false; // It does not listen yet.
                }
            },
            "the worker's model");
    }

    /// <summary>A line of the kernel's account of the process, in bytes: <c>VmHWM</c> for the most it ever held.</summary>
    public long Memory(string line) => 1024 * long.Parse(
        File.ReadLines($"/proc/{process.Id}/status").Single(l => l.StartsWith(line + ":", StringComparison.Ordinal)).Split(':')[1].Replace("kB", "", StringComparison.Ordinal).Trim(),
        CultureInfo.InvariantCulture);

    /// <summary>Whether a library is in the process's memory.</summary>
    public bool Maps(string library) => File.ReadLines($"/proc/{process.Id}/maps").Any(line => line.EndsWith('/' + library));

    public void Dispose()
    {
        if (!process.HasExited)
            process.Kill();
        process.WaitForExit();
        process.Dispose();
    }

    private static int[] FreePorts()
    {
        using var one = new TcpListener(IPAddress.Loopback, 0);
        using var two = new TcpListener(IPAddress.Loopback, 0);
        one.Start();
        two.Start();
        return [((IPEndPoint)one.LocalEndpoint).Port, ((IPEndPoint)two.LocalEndpoint).Port];
    }
}
