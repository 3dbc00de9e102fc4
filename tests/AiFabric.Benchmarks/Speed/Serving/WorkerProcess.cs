using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using AiFabric.Benchmarks.Machine;
using TorchSharp;

namespace AiFabric.Benchmarks.Speed.Serving;

/// <summary>The worker in a process of its own, which ends with this.</summary>
internal sealed class WorkerProcess : IDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(5); // Eight billion weights are read from a disk.

    private readonly Process process;
    private readonly string log;
    private readonly long started = Stopwatch.GetTimestamp();

    private WorkerProcess(
        string repository, string executable, Dictionary<string, string> environment, IEnumerable<string> arguments, string servedName = ChatStreams.ModelName, int number = 0)
    {
        log = Path.Combine(Directory.CreateDirectory(Path.Combine(repository, "artifacts", "bench")).FullName, number == 0 ? "worker.log" : $"worker-{Text(number)}.log");
        Port = FreePort();
        process = Shell.Start(
            executable, environment, log, ["serve", "--served-name", servedName, "--port", Text(Port), "--control-port", "0", .. arguments]);
    }

    public int Port { get; }

    public long ResidentBytes => ProcessUse.ResidentBytes(process.Id);

    public long PeakBytes => ProcessUse.PeakBytes(process.Id);

    /// <summary>Folders of the published worker; <c>make bench-engine</c> fills them.</summary>
    public static string[] Folders(string repository) =>
        [Path.Combine(repository, "artifacts/bench/publish/worker/app"), Path.Combine(repository, "artifacts/bench/publish/worker/libtorch")];

    /// <summary>Starts the worker as its image holds it.</summary>
    /// <exception cref="BenchException">The worker is not published.</exception>
    public static WorkerProcess StartPublished(ModelFiles model, SpeedFormat format, SpeedOptions options)
    {
        string[] folders = Folders(options.Repository);
        string executable = Path.Combine(folders[0], "aifabric-worker");
        if (!File.Exists(executable))
            throw new BenchException($"{executable} is missing: images/publish.sh worker artifacts/bench/publish");
        var environment = new Dictionary<string, string> { ["LIBTORCH_DIR"] = folders[1], ["DOTNET_EnableDiagnostics"] = "0" }; // As in the image.
        return new WorkerProcess(
            options.Repository, executable, environment,
            [
                "--model", Uri(model), "--threads", Text(options.Threads), "--quantization", format.Quantization.ToString(),
                "--dtype", format.Type == torch.ScalarType.BFloat16 ? "bfloat16" : "float32",
            ]);
    }

    /// <summary>Starts the worker as it was built, with the libtorch that this process has.</summary>
    public static WorkerProcess StartBuilt(string repository, ModelFiles model, string device) => new(
        repository, Repository.Executable(repository, "AiFabric.Worker", "aifabric-worker"), [], ["--model", Uri(model), "--device", device, "--dtype", "bfloat16"]);

    /// <summary>Starts one of several workers of the demo model as they were built, with one thread each.</summary>
    public static WorkerProcess StartDemo(string repository, string servedName, int kvBlocks, int number) => new(
        repository, Repository.Executable(repository, "AiFabric.Worker", "aifabric-worker"), [],
        ["--model", new Uri(Path.Combine(repository, "runtime", "models", "aifabric-demo-5m")).AbsoluteUri, "--threads", "1", "--kv-blocks", Text(kvBlocks)], servedName, number);

    /// <summary>Waits until requests are taken.</summary>
    /// <returns>The time since the process was started.</returns>
    /// <exception cref="BenchException">The worker ended, or was not ready in time; the message names its log.</exception>
    public TimeSpan WaitUntilReady()
    {
        while (!ChatStreams.IsReady(Port))
        {
            if (process.HasExited || Stopwatch.GetElapsedTime(started) > StartLimit)
                throw new BenchException($"the worker did not become ready; its log is {log}");
            Thread.Sleep(5);
        }
        return Stopwatch.GetElapsedTime(started);
    }

    public void Dispose()
    {
        if (!process.HasExited)
            process.Kill();
        process.WaitForExit();
        process.Dispose();
    }

    private static string Uri(ModelFiles model) => new Uri(model.Folder).AbsoluteUri;

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port; // It is bound.
    }
}
