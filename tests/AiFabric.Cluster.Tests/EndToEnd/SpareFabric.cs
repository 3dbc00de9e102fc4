using System.Diagnostics;
using System.Globalization;
using AiFabric.Cluster.Tests.RealCluster;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary>A fabric of one test's own beside the shared one: it may be stopped and broken.</summary>
internal sealed class SpareFabric(FabricFixture shared) : IAsyncDisposable
{
    private readonly DirectoryInfo _home = Directory.CreateTempSubdirectory("aifabric-spare-");
    private readonly int _port = PortBeside(shared.ApiPort), _gatewayPort = FabricFixture.FreePort();

    /// <summary>The fabric's state. Folders of people have blanks in their names.</summary>
    public string Folder => Path.Combine(_home.FullName, "a fabric");

    /// <summary>Base address of the gateway, as <c>up</c> prints it.</summary>
    public string BaseUrl => $"http://127.0.0.1:{_gatewayPort}/v1";

    /// <summary>Processes that were given the fabric's folder.</summary>
    public IReadOnlyList<(int Id, string[] Arguments)> Processes() => FabricProcesses.Naming(Folder);

    /// <returns>What <c>aifabric up</c> said.</returns>
    public Task<string> UpAsync(int exitCode = 0) =>
        RunAsync(["up", "--port", _port.ToString(CultureInfo.InvariantCulture), "--gateway-port", _gatewayPort.ToString(CultureInfo.InvariantCulture)], exitCode);

    /// <returns>What <c>aifabric down</c> said.</returns>
    public Task<string> DownAsync() => RunAsync(["down"]);

    /// <summary>Starts the supervisor alone, as <c>up</c> and <c>demo</c> do, to end with a process.</summary>
    /// <param name="companion">Number and start ticks of that process.</param>
    public Process Supervise(string companion) => Process.Start(new ProcessStartInfo("/bin/sh",
    [
        "-c", "exec \"$0\" \"$@\" >/dev/null 2>&1", FabricFixture.Cli(), "supervise", "--data-dir", Directory.CreateDirectory(Folder).FullName, "--with-process", companion,
        "--port", _port.ToString(CultureInfo.InvariantCulture), "--gateway-port", _gatewayPort.ToString(CultureInfo.InvariantCulture),
    ]))!; // Never null without a shell.

    /// <summary>Runs a verb on the fabric's folder.</summary>
    public Task<string> RunAsync(string[] verb, int exitCode = 0) => Shell.RunAsync(
        FabricFixture.Cli(), [.. verb, "--data-dir", Folder], new Dictionary<string, string?> { ["HOME"] = _home.FullName }, exitCode: exitCode);

    /// <summary>kill -9 of the one process that is meant; returns when it has ended.</summary>
    public async Task KillAsync(Predicate<(int Id, string[] Arguments)> meant)
    {
        using Process process = Process.GetProcessById(Assert.Single(Processes(), meant).Id);
        process.Kill();
        await FabricFixture.UntilAsync(() => Task.FromResult(!Processes().Any(found => meant(found))), () => $"the end of process {process.Id}");
    }

    public async ValueTask DisposeAsync()
    {
        await DownAsync();
        _home.Delete(recursive: true);
    }

    /// <summary>A free port by which the fabric gets another pod network than the shared one has.</summary>
    private static int PortBeside(int other) => Enumerable.Repeat(0, 100).Select(_ => FabricFixture.FreePort()).First(port => Network(port) != Network(other));

    private static int Network(int port) => Math.Abs(port - 6443) % 100;
}
