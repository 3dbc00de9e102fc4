using System.Diagnostics;
using AiFabric.LocalCluster.Hosting;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace AiFabric.Cluster.Tests.LocalCluster.ApiServer;

/// <summary>An API server in this process (no controllers, no node) and the real kubectl against it, with a home of its own.</summary>
internal sealed class KubectlCluster : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-kubectl-");
    private readonly int _port;
    private WebApplication? _app;

    private KubectlCluster(int port) => _port = port;

    private string DataDirectory => Path.Combine(_folder.FullName, "data");

    public string Kubeconfig => Path.Combine(DataDirectory, "kubeconfig");

    /// <summary>Starts a server; skips the test visibly where there is no kubectl.</summary>
    public static async Task<KubectlCluster> StartAsync()
    {
        var paths = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');
        Assert.SkipUnless(paths.Any(path => File.Exists(Path.Combine(path, "kubectl"))), "kubectl is not in PATH");
        var cluster = new KubectlCluster(0);
        await cluster.ServeAsync();
        return cluster;
    }

    /// <summary>Stops the server and starts another over the same folder.</summary>
    public async Task RestartAsync()
    {
        await StopAsync();
        await ServeAsync();
    }

    /// <summary>Runs kubectl and returns what it printed on both outputs; fails the test on another exit code.</summary>
    public async Task<string> KubectlAsync(string arguments, string? input = null, int exitCode = 0)
    {
        var start = new ProcessStartInfo("/bin/sh") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add($"kubectl {arguments} 2>&1");
        start.Environment["KUBECONFIG"] = Kubeconfig;
        start.Environment["HOME"] = _folder.FullName;
        start.Environment["KUBE_EDITOR"] = "sed -i s/size:.*/size:\\ 6/";
        using var process = Process.Start(start)!;
        if (input is not null)
            await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var output = await process.StandardOutput.ReadToEndAsync(deadline.Token);
        await process.WaitForExitAsync(deadline.Token);
        Assert.True(process.ExitCode == exitCode, $"kubectl {arguments} ended with {process.ExitCode}:\n{output}");
        return output;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _folder.Delete(recursive: true);
    }

    private async Task ServeAsync()
    {
        _app = LocalClusterHost.Build(new() { DataDirectory = DataDirectory, Port = _port, RunControllers = false, RunNode = false });
        await _app.StartAsync();
    }

    private async Task StopAsync()
    {
        if (_app is null)
            return;
        await _app.StopAsync();
        await _app.DisposeAsync();
        _app = null;
    }
}
