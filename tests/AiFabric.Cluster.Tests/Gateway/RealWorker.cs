using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>The real worker as a process that serves the demo model, as a fixture under the name <c>demo</c>, declared to the bench as a pod.</summary>
public class RealWorker : IAsyncLifetime
{
    private readonly GatewayBench _bench;
    private readonly string _name;
    private readonly ConcurrentQueue<string> _output = [];
    private Process? _process;

    public RealWorker(GatewayBench bench)
        : this(bench, "demo")
    {
    }

    protected RealWorker(GatewayBench bench, string name) => (_bench, _name) = (bench, name);

    /// <returns>The folder of the model that it serves.</returns>
    protected virtual string PrepareModel() => Path.Combine(Root, "runtime", "models", "aifabric-demo-5m");

    /// <summary>Environment besides what it inherits.</summary>
    protected virtual IEnumerable<KeyValuePair<string, string>> Variables => [];

    /// <summary>The repository's root, found from where the tests lie.</summary>
    public static string Root { get; } = FindRoot(AppContext.BaseDirectory);

    /// <summary>Its serving port, past the gateway.</summary>
    public Uri Url { get; private set; } = new("http://127.0.0.1");

    public async ValueTask InitializeAsync()
    {
        await _bench.DeclareModelAsync(_name);
        await StartAsync(_name, 0);
        await GatewayBench.WaitAsync(async () => (await _bench.RoutesAsync()).Any(r => r.Model == _name), () => "a route to the real worker");
    }

    /// <summary>Starts it and, when it is ready, declares it as a pod of a model that is declared.</summary>
    public async Task StartAsync(string model, int number)
    {
        int[] ports = FreePorts(2);
        Url = new Uri($"http://127.0.0.1:{ports[0]}");
        // artifacts/bin/AiFabric.Cluster.Tests/debug → artifacts/bin/AiFabric.Worker/debug_linux-x64
        var built = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/'));
        string executable = Path.Combine(built.Parent!.Parent!.FullName, "AiFabric.Worker", $"{built.Name}_linux-x64", "aifabric-worker"); // see above
        var start = new ProcessStartInfo(executable) { RedirectStandardOutput = true, RedirectStandardError = true };
        string[] arguments =
        [
            "serve", "--model", $"file://{PrepareModel()}", "--served-name", model, "--host", "127.0.0.1",
            "--port", ports[0].ToString(CultureInfo.InvariantCulture), "--control-port", ports[1].ToString(CultureInfo.InvariantCulture), "--threads", "1",
        ];
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        foreach ((string name, string value) in Variables)
            start.Environment[name] = value;
        _process = Process.Start(start)!; // null only for shell documents
        _process.OutputDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        _process.ErrorDataReceived += (_, line) => _output.Enqueue(line.Data ?? "");
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        await ReadyAsync(new Uri(Url, "/ready"));
        await _bench.DeclarePodAsync($"{model}-{number}", model, ports[0]);
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_process is null)
            return;
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private async Task ReadyAsync(Uri ready)
    {
        using var http = new HttpClient();
        await GatewayBench.WaitAsync(
            async () =>
            {
                Assert.False(_process!.HasExited, $"The worker ended:\n{string.Join('\n', _output)}"); // started above
                try
                {
                    return (await http.GetAsync(ready)).IsSuccessStatusCode;
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            },
            () => $"the worker to be ready:\n{string.Join('\n', _output)}");
    }

    private static int[] FreePorts(int count)
    {
        TcpListener[] listeners = [.. Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
        foreach (TcpListener listener in listeners)
            listener.Start();
        int[] ports = [.. listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port)];
        foreach (TcpListener listener in listeners)
            listener.Dispose();
        return ports;
    }

    private static string FindRoot(string folder) => File.Exists(Path.Combine(folder, "AiFabric.sln"))
        ? folder
        : FindRoot(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("AiFabric.sln is in no folder above the tests"));
}
