using AiFabric.Benchmarks.Machine;
using AiFabric.Benchmarks.Scale.Actors;
using AiFabric.Kube;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;

namespace AiFabric.Benchmarks.Scale;

/// <summary>
/// One size: (1) create everything and wait until all is ready, (2) watch the idle operator, (3) restart it, (4) kill the leader beside a
/// standby, (5) ask the leader to stop beside a standby.
/// </summary>
internal sealed class ScaleRun : IAsyncDisposable
{
    private static readonly string[] Controllers = ["coservedmodel", "finetunejob", "adapter"];

    /// <summary>The operator is idle when it wrote nothing for so long.</summary>
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(8);

    private readonly ScaleOptions _options;
    private readonly ScaleSize _size;
    private readonly Action<string> _tell;
    private readonly ControlPlane _plane;
    private readonly KubernetesClient _client;
    private readonly ActorKubelet _kubelet;
    private readonly ActorEndpoints _endpoints;
    private readonly AuditLog _audit;
    private readonly string _executable;
    private OperatorProcess _operator;
    private int _operatorsStarted;

    private ScaleRun(
        ScaleOptions options, ScaleSize size, Action<string> tell, ControlPlane plane, KubernetesClient client, ActorKubelet kubelet, ActorEndpoints endpoints)
    {
        (_options, _size, _tell, _plane, _client, _kubelet, _endpoints) = (options, size, tell, plane, client, kubelet, endpoints);
        _audit = new AuditLog(plane.AuditFile);
        _executable = Repository.Executable(options.Repository, "AiFabric.Operator", "AiFabric.Operator");
        _operator = StartOperator();
    }

    /// <summary>Every object that a controller looks at: models, jobs and the adapters the jobs made.</summary>
    private int Objects => _size.Models + (2 * _size.Jobs);

    public static async Task<ScaleRun> StartAsync(ScaleOptions options, ScaleSize size, Action<string> tell, CancellationToken cancellationToken)
    {
        ControlPlane plane = await ControlPlane.StartAsync(options.Repository, options.Port, cancellationToken);
        var client = new KubernetesClient(
            KubeConfig.FromFile(plane.AdminKubeconfig), new KubeMetrics(Metrics.NewCustomRegistry()), NullLogger<KubernetesClient>.Instance);
        var kubelet = new ActorKubelet(client, options);
        // Some more addresses than models: a pod that is replaced gets a new one.
        ActorEndpoints endpoints = await ActorEndpoints.StartAsync(kubelet, options, size.Models + (size.Models / 10) + 10);
        return new ScaleRun(options, size, tell, plane, client, kubelet, endpoints);
    }

    public async Task<SizeFigures> MeasureAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_options.Limit);
        await _operator.LeadsAsync(limit.Token);
        RolloutFigures rollout = await RollOutAsync(limit.Token);
        _tell($"  models ready after {rollout.ModelsReadySeconds:0.0} s, jobs complete after {rollout.JobsCompleteSeconds:0.0} s");
        SteadyFigures steady = await RestAsync(cancellationToken);
        _tell($"  idle for {steady.Seconds:0} s: {steady.Writes} writes, {steady.OperatorCpuSeconds / steady.Seconds:0.00} cores");
        await _operator.StopAsync(cancellationToken);
        TakeoverFigures restart = await RestartAsync(cancellationToken);
        TakeoverFigures crash = await TakeOverAsync(_ => _operator.KillAsync(), cancellationToken);
        TakeoverFigures handover = await TakeOverAsync(token => _operator.StopAsync(token), cancellationToken);
        _tell($"  restart caught up after {restart.CaughtUpSeconds:0.0} s, fail-over after {crash.LeadsSeconds:0.0} s, handover after {handover.LeadsSeconds:0.0} s");
        return new SizeFigures(_size, rollout, steady, restart, crash, handover);
    }

    public async ValueTask DisposeAsync()
    {
        await _operator.DisposeAsync();
        await _endpoints.DisposeAsync();
        await _kubelet.DisposeAsync();
        _client.Dispose();
        await _plane.DisposeAsync();
    }

    private static double Since(long started, long? now = null) =>
        Math.Round(TimeProvider.System.GetElapsedTime(started, now ?? TimeProvider.System.GetTimestamp()).TotalSeconds, 2);

    private static Dictionary<string, double> Minus(IReadOnlyDictionary<string, double> after, IReadOnlyDictionary<string, double> before) =>
        after.ToDictionary(part => part.Key, part => Math.Round(part.Value - before[part.Key], 2));

    private OperatorProcess StartOperator()
    {
        string log = Path.Combine(_options.Repository, "artifacts", "bench", $"operator-{_size.Models}.log");
        Directory.CreateDirectory(Path.GetDirectoryName(log)!); // A file's path has a folder.
        int port = _options.Port + 10 + (_operatorsStarted++ % 2);
        return OperatorProcess.Start(_executable, _plane.OperatorKubeconfig, _endpoints.GatewayUrl, port, log);
    }

    private async Task<RolloutFigures> RollOutAsync(CancellationToken cancellationToken)
    {
        await using var milestones = new Milestones(_client, _size);
        Exposition before = await _operator.ScrapeAsync(cancellationToken);
        IReadOnlyDictionary<string, double> planeBefore = _plane.CpuSeconds();
        double cpuBefore = _operator.CpuSeconds;
        _ = _audit.Next();
        long start = TimeProvider.System.GetTimestamp();
        await Workload.CreateAsync(_client, _size, _options.Parallelism, cancellationToken);
        double created = Since(start);
        _tell($"  created after {created:0.0} s");
        long models = await ReachAsync("models Ready", milestones.Models, cancellationToken);
        long jobs = await ReachAsync("jobs Complete", milestones.Jobs, cancellationToken);
        long adapters = await ReachAsync("adapters Ready", milestones.Adapters, cancellationToken);
        double cpu = _operator.CpuSeconds - cpuBefore;
        Dictionary<string, double> plane = Minus(_plane.CpuSeconds(), planeBefore);
        IReadOnlyDictionary<RequestKind, int> requests = _audit.Next();
        Exposition after = await _operator.ScrapeAsync(cancellationToken);
        return new RolloutFigures
        {
            CreatedSeconds = created,
            ModelsReadySeconds = Since(start, models),
            JobsCompleteSeconds = Since(start, jobs),
            AdaptersReadySeconds = Since(start, adapters),
            Lost = milestones.Models.Lost + milestones.Jobs.Lost + milestones.Adapters.Lost,
            Latencies = [.. Controllers.Select(controller => Latency(controller, before, after))],
            Requests =
            [
                .. requests.Where(entry => !entry.Key.IsLease).OrderByDescending(entry => entry.Value)
                    .Select(entry => new RequestCount(entry.Key.Resource, entry.Key.Verb, entry.Value)),
            ],
            WorkerRequests = after.Sum("aifabric_operator_worker_requests_total") - before.Sum("aifabric_operator_worker_requests_total"),
            GatewayRequests = after.Sum("aifabric_operator_gateway_requests_total") - before.Sum("aifabric_operator_gateway_requests_total"),
            OperatorCpuSeconds = Math.Round(cpu, 2),
            OperatorPeakBytes = _operator.PeakBytes,
            ControlPlaneCpuSeconds = plane,
        };
    }

    private async Task<long> ReachAsync(string what, Milestone milestone, CancellationToken cancellationToken)
    {
        try
        {
            return await milestone.All.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            string actor = _kubelet.Errors.TryPeek(out string? error) ? $"; the acting kubelet met: {error}" : string.Empty;
            throw new BenchException($"{milestone.Reached} of {milestone.Wanted} {what} within {_options.Limit.TotalSeconds:0} s{actor}");
        }
    }

    private static ControllerLatency Latency(string controller, Exposition before, Exposition after)
    {
        string own = $"controller=\"{controller}\"";
        string queue = $"name=\"{controller}\"";
        return new ControllerLatency(
            controller,
            after.Sum("controller_runtime_reconcile_total", own) - before.Sum("controller_runtime_reconcile_total", own),
            after.Quantile("controller_runtime_reconcile_time_seconds", 0.5, before, own),
            after.Quantile("controller_runtime_reconcile_time_seconds", 0.99, before, own),
            after.Quantile("workqueue_queue_duration_seconds", 0.5, before, queue),
            after.Quantile("workqueue_queue_duration_seconds", 0.99, before, queue));
    }

    private async Task<SteadyFigures> RestAsync(CancellationToken cancellationToken)
    {
        await QuietAsync(cancellationToken);
        Exposition before = await _operator.ScrapeAsync(cancellationToken);
        IReadOnlyDictionary<string, double> planeBefore = _plane.CpuSeconds();
        double cpuBefore = _operator.CpuSeconds;
        _ = _audit.Next();
        long start = TimeProvider.System.GetTimestamp();
        await Task.Delay(_options.SteadyTime, cancellationToken);
        IReadOnlyDictionary<RequestKind, int> requests = _audit.Next();
        Exposition after = await _operator.ScrapeAsync(cancellationToken);
        return new SteadyFigures
        {
            Seconds = Since(start),
            Writes = AuditLog.Writes(requests),
            LeaseRenewals = requests.Where(entry => entry.Key is { IsLease: true, IsWrite: true }).Sum(entry => entry.Value),
            Reads = requests.Where(entry => entry.Key is { IsLease: false, IsWrite: false }).Sum(entry => entry.Value),
            Reconciliations = after.Sum("controller_runtime_reconcile_total") - before.Sum("controller_runtime_reconcile_total"),
            WorkerRequests = after.Sum("aifabric_operator_worker_requests_total") - before.Sum("aifabric_operator_worker_requests_total"),
            OperatorCpuSeconds = Math.Round(_operator.CpuSeconds - cpuBefore, 2),
            OperatorResidentBytes = _operator.ResidentBytes,
            ControlPlaneCpuSeconds = Minus(_plane.CpuSeconds(), planeBefore),
        };
    }

    /// <summary>Waits until nothing was written for a while; gives up after a minute, and the writes show.</summary>
    private async Task QuietAsync(CancellationToken cancellationToken)
    {
        long start = TimeProvider.System.GetTimestamp();
        do
        {
            _ = _audit.Next();
            await Task.Delay(Quiet, cancellationToken);
        }
        while (AuditLog.Writes(_audit.Next()) > 0 && Since(start) < 60);
    }

    private async Task<TakeoverFigures> RestartAsync(CancellationToken cancellationToken)
    {
        await _operator.DisposeAsync();
        _ = _audit.Next();
        _operator = StartOperator();
        await _operator.ReadyAsync(cancellationToken);
        double ready = Since(_operator.Started);
        await _operator.LeadsAsync(cancellationToken);
        double leads = Since(_operator.Started);
        await _operator.CaughtUpAsync(Objects, cancellationToken);
        return new TakeoverFigures(ready, leads, Since(_operator.Started), AuditLog.Writes(_audit.Next()), Math.Round(_operator.CpuSeconds, 2));
    }

    private async Task<TakeoverFigures> TakeOverAsync(Func<CancellationToken, Task> end, CancellationToken cancellationToken)
    {
        OperatorProcess standby = StartOperator();
        await standby.ReadyAsync(cancellationToken);
        double cpu = standby.CpuSeconds;
        _ = _audit.Next();
        long start = TimeProvider.System.GetTimestamp();
        await end(cancellationToken);
        await standby.LeadsAsync(cancellationToken);
        double leads = Since(start);
        await standby.CaughtUpAsync(Objects, cancellationToken);
        await _operator.DisposeAsync();
        _operator = standby;
        return new TakeoverFigures(null, leads, Since(start), AuditLog.Writes(_audit.Next()), Math.Round(standby.CpuSeconds - cpu, 2));
    }
}
