using System.Diagnostics;
using System.Globalization;

namespace AiFabric.Benchmarks.Machine;

/// <summary>The operator as it is shipped, in a process of its own.</summary>
internal sealed class OperatorProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly HttpClient _http;

    private OperatorProcess(Process process, string url)
    {
        _process = process;
        _http = new HttpClient { BaseAddress = new Uri(url), Timeout = TimeSpan.FromSeconds(30) };
        Started = TimeProvider.System.GetTimestamp();
    }

    /// <summary>Time stamp of the start.</summary>
    public long Started { get; }

    public double CpuSeconds => ProcessUse.CpuSeconds(_process.Id);

    public long PeakBytes => ProcessUse.PeakBytes(_process.Id);

    public long ResidentBytes => ProcessUse.ResidentBytes(_process.Id);

    /// <summary>With the shipped settings, but for where things are.</summary>
    /// <param name="executable">The operator.</param>
    /// <param name="kubeconfig">Its user.</param>
    /// <param name="gatewayUrl">The gateway it asks.</param>
    /// <param name="port">Where it serves its metrics.</param>
    /// <param name="log">Its output is appended there.</param>
    public static OperatorProcess Start(string executable, string kubeconfig, string gatewayUrl, int port, string log)
    {
        string url = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}");
        var environment = new Dictionary<string, string>
        {
            ["KUBECONFIG"] = kubeconfig,
            ["Operator__ListenUrl"] = url,
            ["Operator__GatewayUrls__0"] = gatewayUrl,
            ["Operator__LeaderElection"] = "true",
        };
        return new OperatorProcess(Shell.Start(executable, environment, log), url);
    }

    /// <summary>Waits until its caches are filled.</summary>
    public Task ReadyAsync(CancellationToken cancellationToken) => UntilAsync(
        async () =>
        {
            using HttpResponseMessage response = await _http.GetAsync("readyz", cancellationToken);
            return response.IsSuccessStatusCode;
        },
        cancellationToken);

    /// <summary>Waits until it leads.</summary>
    public Task LeadsAsync(CancellationToken cancellationToken) =>
        UntilAsync(async () => (await ScrapeAsync(cancellationToken)).Sum("leader_election_master_status") > 0, cancellationToken);

    /// <summary>Waits until it has looked at every object at least once and no key waits.</summary>
    public Task CaughtUpAsync(int objects, CancellationToken cancellationToken) => UntilAsync(
        async () =>
        {
            Exposition now = await ScrapeAsync(cancellationToken);
            return now.Sum("controller_runtime_reconcile_total") >= objects && now.Sum("workqueue_depth") == 0;
        },
        cancellationToken);

    public async Task<Exposition> ScrapeAsync(CancellationToken cancellationToken) =>
        Exposition.Parse(await _http.GetStringAsync("metrics", cancellationToken));

    /// <summary>Asks it to end and waits for that.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await Shell.TerminateAsync(_process, cancellationToken);
        await _process.WaitForExitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _http.Dispose();
        _process.Dispose();
    }

    /// <summary>Ends it as a crash would.</summary>
    public async Task KillAsync()
    {
        if (!_process.HasExited)
            _process.Kill();
        await _process.WaitForExitAsync();
    }

    private async Task UntilAsync(Func<Task<bool>> condition, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                if (await condition())
                    return;
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }
            if (_process.HasExited)
                throw new BenchException($"the operator ended with code {_process.ExitCode}");
            await Task.Delay(100, cancellationToken);
        }
    }
}
