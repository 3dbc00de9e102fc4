using System.Text.Json;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging;

namespace AiFabric.Kube;

/// <summary>Which objects an informer keeps.</summary>
/// <param name="Namespace">Null for all namespaces, or a cluster-scoped kind.</param>
/// <param name="LabelSelector">Null for all.</param>
/// <param name="Optional">Whether the API server may lack the kind (an older version, a CRD not installed).</param>
public sealed record InformerScope(string? Namespace = null, string? LabelSelector = null, bool Optional = false);

/// <summary>
/// <see cref="IInformer{T}"/> as a loop: (1) list in pages, (2) watch from the list's resourceVersion, (3) when the watch ends watch again
/// from the last resourceVersion seen, (4) when that is too old (410) list again. Failures wait, longer each time, and never end the loop.
/// </summary>
public sealed class Informer<T> : IInformer<T>, IRunnable
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    // A watch that ends sooner and without an event counts as failed: else a server that closes each at once would be hammered.
    private static readonly TimeSpan ShortestGoodWatch = TimeSpan.FromSeconds(1);

    private readonly IKubernetesClient _client;
    private readonly InformerScope _scope;
    private readonly InformerOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SharedCache<T> _cache;
    private readonly string _plural = ResourceType.Of<T>().Plural;
    private readonly TaskCompletionSource _synced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string? _resourceVersion;
    private int _failures;
    private int _expirations;

    /// <param name="client">The API server.</param>
    /// <param name="scope">Which objects to keep.</param>
    /// <param name="options">Page size and times.</param>
    /// <param name="time">The clock of watchdog and backoff.</param>
    /// <param name="logger">Told of failures.</param>
    public Informer(
        IKubernetesClient client, InformerScope scope, InformerOptions options, TimeProvider time, ILogger<Informer<T>> logger)
    {
        _client = client;
        _scope = scope;
        _options = options;
        _time = time;
        _logger = logger;
        _cache = new SharedCache<T>(logger);
    }

    /// <inheritdoc/>
    public bool HasSynced => _synced.Task.IsCompleted;

    /// <inheritdoc/>
    public bool IsServed { get; private set; } = true;

    /// <inheritdoc/>
    public T? Get(NamespacedName key) => _cache.Get(key);

    /// <inheritdoc/>
    public IReadOnlyList<T> List(string? @namespace = null) => _cache.List(@namespace);

    /// <inheritdoc/>
    public IReadOnlyList<T> ByIndex(string index, string value) => _cache.ByIndex(index, value);

    /// <inheritdoc/>
    public int Count => _cache.Count;

    /// <inheritdoc/>
    public int CountByIndex(string index, string value) => _cache.CountByIndex(index, value);

    /// <inheritdoc/>
    public void AddIndex(string name, Func<T, IEnumerable<string>> values) => _cache.AddIndex(name, values);

    /// <inheritdoc/>
    public IDisposable Subscribe(Action<StoreChange<T>> handler) => _cache.Subscribe(handler);

    /// <inheritdoc/>
    public Task WaitForSyncAsync(CancellationToken cancellationToken) => _synced.Task.WaitAsync(cancellationToken);

    /// <summary>Keeps the cache in step until cancelled. To be called once.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await ListThenWatchAsync(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (KubernetesApiException e) when (e.IsGone)
            {
                Log.Expired(_logger, _plural, _resourceVersion);
                _resourceVersion = null;
                // The first one is the normal end of a long pause or an outage: the server answers, so list at once, whatever failed
                // before. The next without an event in between has to wait.
                _failures = _expirations++;
                if (_failures > 0 && !await BackOffAsync(e, cancellationToken))
                    return;
            }
            catch (KubernetesApiException e) when (e.IsNotFound && _scope.Optional)
            {
                if (IsServed)
                    Log.KindNotServed(_logger, _plural, _options.AbsentKindRecheck);
                (IsServed, _resourceVersion) = (false, null);
                _cache.Replace([], []);
                _synced.TrySetResult();
                if (!await PauseAsync(_options.AbsentKindRecheck, cancellationToken))
                    return;
            }
#pragma warning disable CA1031 // The loop's top: whatever went wrong, the cache has to catch up again.
            catch (Exception e)
#pragma warning restore CA1031
            {
                _failures++;
                if (!await BackOffAsync(e, cancellationToken))
                    return;
            }
        }
    }

    private async Task ListThenWatchAsync(CancellationToken cancellationToken)
    {
        if (_resourceVersion is null)
        {
            ResourcePage<T> all = await ListAsync(cancellationToken);
            IsServed = true;
            _cache.Replace(all.Items, all.Unreadable);
            _resourceVersion = all.ResourceVersion ?? throw new JsonException($"The list of {_plural} came without a resourceVersion.");
            Log.Listed(_logger, all.Items.Count, _plural, _resourceVersion);
            _synced.TrySetResult();
        }
        long started = _time.GetTimestamp();
        bool heard = await WatchAsync(cancellationToken);
        if (!heard && _time.GetElapsedTime(started) < ShortestGoodWatch)
            throw new IOException($"The server closed the watch on {_plural} at once.");
        _failures = 0;
    }

    private async Task<ResourcePage<T>> ListAsync(CancellationToken cancellationToken)
    {
        var query = new ListQuery { Namespace = _scope.Namespace, LabelSelector = _scope.LabelSelector, Limit = _options.PageSize };
        ResourcePage<T> page = await _client.ListPageAsync<T>(query, cancellationToken);
        List<T> items = [.. page.Items];
        List<string> unreadable = [.. page.Unreadable];
        while (page.Continue is { } next)
        {
            try
            {
                page = await _client.ListPageAsync<T>(query with { Continue = next }, cancellationToken);
            }
            // The token outlived its snapshot: pages would expire for ever, so take all at once (as client-go's pager does).
            catch (KubernetesApiException e) when (e.IsGone)
            {
                return await _client.ListPageAsync<T>(query with { Limit = null }, cancellationToken);
            }
            items.AddRange(page.Items);
            unreadable.AddRange(page.Unreadable);
        }
        return page with { Items = items, Unreadable = unreadable };
    }

    /// <returns>Whether anything was heard, be it a bookmark.</returns>
    private async Task<bool> WatchAsync(CancellationToken cancellationToken)
    {
        using var idle = new CancellationTokenSource(_options.IdleTimeout, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, idle.Token);
        bool heard = false;
        var query = new WatchQuery
        {
            Namespace = _scope.Namespace,
            LabelSelector = _scope.LabelSelector,
            ResourceVersion = _resourceVersion,
            Timeout = _options.WatchTimeout,
        };
        try
        {
            await foreach (WatchEvent<T> happened in _client.WatchAsync<T>(query, both.Token))
            {
                idle.CancelAfter(_options.IdleTimeout);
                heard = true;
                _failures = _expirations = 0;
                Take(happened);
            }
        }
        catch (OperationCanceledException) when (idle.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            Log.WatchIdle(_logger, _plural, _options.IdleTimeout);
        }
        return heard;
    }

    private void Take(WatchEvent<T> happened)
    {
        switch (happened.Kind)
        {
            case WatchEventKind.Added or WatchEventKind.Modified:
                _cache.Set(happened.Object);
                break;
            case WatchEventKind.Deleted:
                _cache.Remove(NamespacedName.Of(happened.Object));
                break;
            default:
                break; // A bookmark says only how far we are.
        }
        _resourceVersion = happened.Object.Metadata.ResourceVersion ?? _resourceVersion;
    }

    /// <returns>False when cancelled meanwhile.</returns>
    private async Task<bool> BackOffAsync(Exception cause, CancellationToken cancellationToken)
    {
        double milliseconds = _options.MinBackoff.TotalMilliseconds * Math.Pow(2, _failures - 1);
        TimeSpan delay = milliseconds >= _options.MaxBackoff.TotalMilliseconds ? _options.MaxBackoff : TimeSpan.FromMilliseconds(milliseconds);
        Log.WatchFailed(_logger, cause, _plural, _failures, delay);
        return await PauseAsync(delay, cancellationToken);
    }

    /// <returns>False when cancelled meanwhile.</returns>
    private async Task<bool> PauseAsync(TimeSpan delay, CancellationToken cancellationToken)
    {
        try
        {
            await Task.Delay(delay, _time, cancellationToken);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
