using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Threading.Channels;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using k8s.Models;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Routing;

/// <summary>
/// Keeps the routing table true: (1) a pod that leaves is taken out as soon as it is heard of; (2) any change of pods or models wakes the loop, and
/// so does the clock; (3) each worker is asked what it serves, how busy it is and what its cache holds; (4) each answer changes the table as it comes, so that a slow worker holds up
/// nobody but itself.
/// </summary>
public sealed class RouteKeeper(
    IInformer<V1Pod> pods,
    IInformer<CoServedModel> models,
    IInformer<Adapter> adapters,
    WorkerClient workers,
    IOptions<GatewayOptions> options,
    TimeProvider time,
    ILogger<RouteKeeper> log) : BackgroundService
{
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private readonly Lock _publishing = new();

    private volatile RoutingTable _table = RoutingTable.Empty;

    /// <summary>The newest snapshot.</summary>
    public RoutingTable Table => _table;

    /// <summary>Tells of each new snapshot, one at a time: handlers must be quick and must not throw.</summary>
    public event Action<RoutingTable>? Published;

    /// <summary>True once pods and models were listed and every ready worker was asked once.</summary>
    public bool HasSynced { get; private set; }

    /// <summary>Has all workers asked again soon: somebody saw one fail.</summary>
    public void Wake() => _wake.Writer.TryWrite(true);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await pods.WaitForSyncAsync(stoppingToken);
        await models.WaitForSyncAsync(stoppingToken);
        await adapters.WaitForSyncAsync(stoppingToken);
        using IDisposable podChanges = pods.Subscribe(Hear);
        using IDisposable modelChanges = models.Subscribe(_ => Wake());
        using IDisposable adapterChanges = adapters.Subscribe(_ => Wake());
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

    /// <summary>Runs on the informer's loop.</summary>
    private void Hear(StoreChange<V1Pod> change)
    {
        bool leaves = change.Kind == StoreChangeKind.Deleted || PodReader.Read(change.Object) is null;
        string? replaced = change.Old is { } old && old.Metadata.Uid != change.Object.Metadata.Uid ? old.Metadata.Uid : null;
        if (leaves || replaced is not null)
            Publish(table => table.Where(w => w.Pod.Uid != replaced && (!leaves || w.Pod.Uid != change.Object.Metadata.Uid)));
        Wake();
    }

    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        Dictionary<ModelKey, DeclaredModel> declared = DeclaredModel.Read(models.List(), adapters.List());
        HashSet<WorkerPod> ready = [.. pods.List().Select(PodReader.Read).OfType<WorkerPod>()];
        Publish(table => new RoutingTable([.. table.Workers.Where(w => ready.Contains(w.Pod))], declared));

        RoutingTable before = _table;
        await Task.WhenAll(ready.Select(async pod => Take(pod, await ProbeAsync(pod, before, cancellationToken))));
    }

    /// <summary>Puts a worker's answer into the table; null takes the worker out.</summary>
    private void Take(WorkerPod pod, WorkerEndpoint? answer) => Publish(table =>
    {
        WorkerEndpoint? known = table.Workers.FirstOrDefault(w => w.Pod.Uid == pod.Uid);
        bool isSame = known?.Pod == answer?.Pod && (known?.Adapters ?? []).SequenceEqual(answer?.Adapters ?? []);
        // It may have left while it was asked, and what was heard since counts more than its answer.
        if (isSame || (answer is not null && !IsCurrent(pod)))
            return table;
        IEnumerable<WorkerEndpoint> others = table.Workers.Where(w => w.Pod.Uid != pod.Uid);
        return new RoutingTable(
            [.. (answer is null ? others : others.Append(answer)).OrderBy(w => w.Pod.Uid, StringComparer.Ordinal)], table.Declared);
    });

    private bool IsCurrent(WorkerPod pod) => pods.Get(pod.Model.Namespace, pod.Name) is { } now && PodReader.Read(now) == pod;

    private void Publish(Func<RoutingTable, RoutingTable> change)
    {
        lock (_publishing)
        {
            RoutingTable before = _table;
            _table = change(before);
            if (_table == before)
                return;
            GatewayMetrics.Routes.Set(_table.Workers.Count);
            Published?.Invoke(_table);
        }
    }

    private async Task<WorkerEndpoint?> ProbeAsync(WorkerPod pod, RoutingTable before, CancellationToken cancellationToken)
    {
        WorkerEndpoint? known = before.Workers.FirstOrDefault(w => w.Pod.Uid == pod.Uid);
        try
        {
            IReadOnlyList<string>? adapters = await workers.ListAdaptersAsync(pod, cancellationToken);
            if (adapters is null)
                return null;
            WorkerEndpoint worker = known is null ? new WorkerEndpoint(pod, adapters, new InFlightCounter()) : known with { Pod = pod, Adapters = adapters };
            await ReadLoadAsync(worker, cancellationToken);
            return worker;
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

    /// <summary>A worker that does not tell its load keeps its route: requests are spread by what is known here.</summary>
    private async Task ReadLoadAsync(WorkerEndpoint worker, CancellationToken cancellationToken)
    {
        int own = worker.InFlight.Count;
        try
        {
            worker.View.Take(await workers.ReadLoadAsync(worker.Pod, worker.View.Cursor, cancellationToken), own);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            Log.LoadUnknown(log, worker.Pod.Name, e);
            worker.View.Take(null, own);
        }
    }
}
