using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using AiFabric.Benchmarks.Machine;
using TorchSharp;

namespace AiFabric.Benchmarks.Speed.Serving;

/// <summary>The worker as its image holds it, in a process of its own.</summary>
internal sealed class WorkerProcess : IDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(2);

    private readonly Process process;

    private WorkerProcess(Process process, int port) => (this.process, Port) = (process, port);

    public int Port { get; }

    public long ResidentBytes => ProcessUse.ResidentBytes(process.Id);

    public long PeakBytes => ProcessUse.PeakBytes(process.Id);

    /// <summary>Folders of the published worker; <c>make bench-engine</c> fills them.</summary>
    public static string[] Folders(string repository) =>
        [Path.Combine(repository, "artifacts/bench/publish/worker/app"), Path.Combine(repository, "artifacts/bench/publish/worker/libtorch")];

    /// <exception cref="BenchException">The worker is not published.</exception>
    public static WorkerProcess Start(ModelFiles model, SpeedFormat format, SpeedOptions options)
    {
        string[] folders = Folders(options.Repository);
        string executable = Path.Combine(folders[0], "aifabric-worker");
        if (!File.Exists(executable))
            throw new BenchException($"{executable} is missing: images/publish.sh worker artifacts/bench/publish");
        int port = FreePort();
        string[] arguments =
        [
            "serve", "--model", new Uri(model.Folder).AbsoluteUri, "--served-name", ChatStreams.ModelName, "--port", Text(port), "--control-port", "0",
            "--threads", Text(options.Threads), "--quantization", format.Quantization.ToString(),
            "--dtype", format.Type == torch.ScalarType.BFloat16 ? "bfloat16" : "float32",
        ];
        var start = new ProcessStartInfo(executable, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["LIBTORCH_DIR"] = folders[1];
        start.Environment["DOTNET_EnableDiagnostics"] = "0"; // As in the image.
        var process = Process.Start(start) ?? throw new BenchException($"{executable} could not be started");
        // Its log must be read, or it would wait for room one day; nobody wants to see it.
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return new WorkerProcess(process, port);
    }

    /// <summary>Waits until requests are taken.</summary>
    /// <exception cref="BenchException">The worker ended, or was not ready in time.</exception>
    public void WaitUntilReady()
    {
        for (long start = Stopwatch.GetTimestamp(); !ChatStreams.IsReady(Port);)
        {
            if (process.HasExited)
                throw new BenchException($"the worker ended with code {process.ExitCode}");
            if (Stopwatch.GetElapsedTime(start) > StartLimit)
                throw new BenchException($"the worker was not ready after {StartLimit.TotalSeconds} s");
            Thread.Sleep(5);
        }
    }

    public void Dispose()
    {
        if (!process.HasExited)
            process.Kill();
        process.WaitForExit();
        process.Dispose();
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port; // It is bound.
    }
}
