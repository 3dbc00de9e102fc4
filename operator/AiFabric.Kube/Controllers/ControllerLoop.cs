using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging;

namespace AiFabric.Kube;

/// <summary>One controller at work: changes → keys → queue → workers → results → queue.</summary>
internal sealed class ControllerLoop<TEntity> : IRunnable, IDisposable
    where TEntity : class, IKubernetesObject<V1ObjectMeta>
{
    private readonly string _name = ResourceType.Of<TEntity>().Kind.ToLowerInvariant();
    private readonly ControllerPlan<TEntity> _plan;
    private readonly IInformer<TEntity> _informer;
    private readonly EntityReconciler<TEntity> _reconciler;
    private readonly TimeSpan _resyncPeriod;
    private readonly TimeProvider _time;
    private readonly KubeMetrics _metrics;
    private readonly ILogger _logger;
    private readonly WorkQueue<NamespacedName> _queue;
    private readonly List<IDisposable> _subscriptions = [];

    public ControllerLoop(
        ControllerPlan<TEntity> plan, IInformer<TEntity> informer, EntityReconciler<TEntity> reconciler, KubernetesOperatorOptions options,
        TimeProvider time, KubeMetrics metrics, ILogger logger)
    {
        _plan = plan;
        _informer = informer;
        _reconciler = reconciler;
        _resyncPeriod = options.ResyncPeriod;
        _time = time;
        _metrics = metrics;
        _logger = logger;
        _queue = new WorkQueue<NamespacedName>(_name, options.RateLimit, time, metrics);
    }

    /// <summary>Works until cancelled; then waits for the reconciliations under way.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        foreach (WatchedKind watched in _plan.Watched)
            await watched.WaitForSyncAsync(cancellationToken);
        await _informer.WaitForSyncAsync(cancellationToken);
        // Only now: keys queued against half-filled caches would be judged wrongly ("it has no pods").
        _subscriptions.Add(_informer.Subscribe(OnChange));
        foreach (WatchedKind watched in _plan.Watched)
            _subscriptions.Add(watched.Subscribe(_queue.Add));
        Log.ControllerStarted(_logger, _name, _plan.Workers);
        _metrics.MaxWorkers.WithLabels(_name).Set(_plan.Workers);
        try
        {
            await Task.WhenAll([
                ResyncAsync(cancellationToken), .. _plan.WakeSources.Select(source => source.RunAsync(_queue.Add, cancellationToken)),
                .. Enumerable.Range(0, _plan.Workers).Select(_ => WorkAsync(cancellationToken))]);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Asked to stop, and all workers have.
        }
        finally
        {
            foreach (IDisposable subscription in _subscriptions)
                subscription.Dispose();
            _subscriptions.Clear();
        }
    }

    public void Dispose() => _queue.Dispose();

    private void OnChange(StoreChange<TEntity> change)
    {
        if (change.Kind == StoreChangeKind.Deleted)
            _reconciler.RememberDeleted(change.Object);
        // A change filtered out here takes nothing from the queue: a requested delay of the key stays.
        if (change.Old is null || _plan.StatusChanges || ChangeFilter.IsMeaningful(change.Old, change.Object))
            _queue.Add(NamespacedName.Of(change.Object));
    }

    private async Task ResyncAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(_resyncPeriod, _time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            foreach (TEntity entity in _informer.List())
                _queue.Add(NamespacedName.Of(entity));
        }
    }

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        // The first key may be ready at once; the host's start must not wait for its reconciliation.
        await Task.Yield();
        while (true)
        {
            NamespacedName key = await _queue.GetAsync(cancellationToken);
            long started = _time.GetTimestamp();
            _metrics.ActiveWorkers.WithLabels(_name).Inc();
            try
            {
                await ReconcileAsync(key, cancellationToken);
            }
            finally
            {
                _queue.Done(key);
                _metrics.ActiveWorkers.WithLabels(_name).Dec();
                _metrics.ReconcileTime.WithLabels(_name).Observe(_time.GetElapsedTime(started).TotalSeconds);
            }
        }
    }

    private async Task ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        try
        {
            Settle(key, await _reconciler.ReconcileAsync(key, cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (KubernetesApiException e) when (e.IsConflict)
        {
            Log.ReconcileConflict(_logger, e, _name, key);
            _queue.AddRateLimited(key);
            Count("requeue");
        }
#pragma warning disable CA1031 // The loop's top: one object's failure must not stop the others.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.ReconcileThrew(_logger, e, _name, key, _queue.Failures(key) + 1);
            _queue.AddRateLimited(key);
            CountError();
        }
    }

    private void Settle(NamespacedName key, ReconciliationResult<TEntity>? result)
    {
        if (result is { IsFailure: true })
        {
            Log.ReconcileFailed(_logger, result.Error, _name, key, result.ErrorMessage);
            if (result.RequeueAfter is { } retry)
                _queue.AddAfter(key, retry);
            else
                _queue.AddRateLimited(key);
            CountError();
            return;
        }
        _queue.Forget(key);
        if (result?.RequeueAfter is not { } delay)
        {
            Count("success");
            return;
        }
        _queue.AddAfter(key, delay);
        Count("requeue_after");
    }

    private void CountError()
    {
        Count("error");
        _metrics.ReconcileErrors.WithLabels(_name).Inc();
    }

    private void Count(string result) => _metrics.ReconcileTotal.WithLabels(_name, result).Inc();
}
