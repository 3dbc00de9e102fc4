using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Threading.Channels;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using k8s.Models;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Routing;

/// <summary>
/// Keeps the routing table true: (1) a change of pods or models wakes it, and so does the clock; (2) workers that left are taken out
/// at once; (3) each worker is asked what it serves; (4) the new table is published whole.
/// </summary>
public sealed class RouteKeeper(
    IInformer<V1Pod> pods,
    IInformer<CoServedModel> models,
    WorkerClient workers,
    IOptions<GatewayOptions> options,
    TimeProvider time,
    ILogger<RouteKeeper> log) : BackgroundService
{
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private volatile RoutingTable _table = RoutingTable.Empty;

    /// <summary>The newest snapshot.</summary>
    public RoutingTable Table => _table;

    /// <summary>Tells of each new snapshot, on the loop that makes them: handlers must be quick and must not throw.</summary>
    public event Action<RoutingTable>? Published;

    /// <summary>True once pods and models were listed and every ready worker was asked once.</summary>
    public bool HasSynced { get; private set; }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await pods.WaitForSyncAsync(stoppingToken);
        await models.WaitForSyncAsync(stoppingToken);
        using IDisposable podChanges = pods.Subscribe(_ => _wake.Writer.TryWrite(true));
        using IDisposable modelChanges = models.Subscribe(_ => _wake.Writer.TryWrite(true));
        while (!stoppingToken.IsCancellationRequested)
        {
            await RefreshOrLogAsync(stoppingToken);
            await WakeOrTickAsync(stoppingToken);
        }
    }

    /// <summary>The loop's top: a table that could not be made must not end the making of tables.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "The top of a loop that must go on. It logs the exception.")]
    private async Task RefreshOrLogAsync(CancellationToken cancellationToken)
    {
        try
        {
            await RefreshAsync(cancellationToken);
            HasSynced = true;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            Log.RefreshFailed(log, e);
        }
    }

    private async Task WakeOrTickAsync(CancellationToken cancellationToken)
    {
        using var tick = new CancellationTokenSource(TimeSpan.FromMilliseconds(options.Value.ProbeIntervalMilliseconds), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(tick.Token, cancellationToken);
        try
        {
            await _wake.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The clock's turn.
        }
    }

    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        Dictionary<ModelKey, string> declared = models.List().ToDictionary(
            m => new ModelKey(m.Metadata.NamespaceProperty, m.Metadata.Name), m => m.Spec.Model.Name ?? m.Metadata.Name);
        WorkerPod[] ready = [.. pods.List().Select(PodReader.Read).OfType<WorkerPod>()];

        RoutingTable before = _table;
        WorkerEndpoint[] stayed = [.. before.Workers.Where(w => ready.Contains(w.Pod))];
        Publish(stayed, declared);

        WorkerEndpoint?[] answered = await Task.WhenAll(ready.Select(p => ProbeAsync(p, before, cancellationToken)));
        Publish([.. answered.OfType<WorkerEndpoint>().OrderBy(w => w.Pod.Uid, StringComparer.Ordinal)], declared);
    }

    private void Publish(WorkerEndpoint[] endpoints, Dictionary<ModelKey, string> declared)
    {
        _table = new RoutingTable(endpoints, declared);
        GatewayMetrics.Routes.Set(endpoints.Length);
        Published?.Invoke(_table);
    }

    private async Task<WorkerEndpoint?> ProbeAsync(WorkerPod pod, RoutingTable before, CancellationToken cancellationToken)
    {
        WorkerEndpoint? known = before.Workers.FirstOrDefault(w => w.Pod.Uid == pod.Uid);
        try
        {
            IReadOnlyList<string>? adapters = await workers.ListAdaptersAsync(pod, cancellationToken);
            return adapters is null ? null : new WorkerEndpoint(pod, adapters, known?.InFlight ?? new InFlightCounter());
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Slow is not dead: a busy worker keeps its route, and its readiness probe has the last word.
            Log.WorkerSlow(log, pod.Name);
            return known is null ? null : known with { Pod = pod };
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException)
        {
            // An answer that breaks off inside its body is an IOException; before it, an HttpRequestException.
            Log.WorkerUnreachable(log, pod.Name, e);
            return null;
        }
    }
}
