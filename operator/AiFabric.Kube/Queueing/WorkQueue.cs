namespace AiFabric.Kube;

/// <summary>
/// Keys waiting to be worked on. A key waits at most once and is never with two workers; one added while it is worked on waits again
/// as soon as that work is done. So its size is bounded by the number of objects. Thread-safe.
/// </summary>
/// <remarks>The rules are client-go's workqueue: queue (order), dirty (needs work), processing (is worked on).</remarks>
#pragma warning disable CA1711 // The name everyone knows it by; it is a queue, if not a collection.
public sealed class WorkQueue<TKey> : IDisposable
#pragma warning restore CA1711
    where TKey : notnull
{
    // Timers take at most 49.7 days; a longer wait is cut and then looked at again.
    private static readonly TimeSpan LongestTimer = TimeSpan.FromDays(49);

    private readonly string _name;
    private readonly TimeProvider _time;
    private readonly KubeMetrics _metrics;
    private readonly RetryLimiter<TKey> _limiter;
    private readonly Lock _lock = new();
    private readonly Queue<TKey> _ready = new();
    private readonly HashSet<TKey> _dirty = [];
    private readonly Dictionary<TKey, long> _processing = [];
    private readonly Dictionary<TKey, long> _addedAt = [];
    private readonly Dictionary<TKey, DateTimeOffset> _waiting = [];
    private readonly PriorityQueue<TKey, DateTimeOffset> _byTime = new();
    private readonly SemaphoreSlim _available = new(0);
    private readonly ITimer _timer;
    private bool _disposed;

    /// <param name="name">The label of its metrics.</param>
    /// <param name="options">How retries are spaced.</param>
    /// <param name="time">The clock of all delays.</param>
    /// <param name="metrics">Where it counts.</param>
    public WorkQueue(string name, RateLimitOptions options, TimeProvider time, KubeMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(time);
        _name = name;
        _time = time;
        _metrics = metrics;
        _limiter = new RetryLimiter<TKey>(options, time);
        _timer = time.CreateTimer(_ => PromoteDue(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Keys ready and not yet with a worker.</summary>
    public int Depth
    {
        get
        {
            lock (_lock)
                return _ready.Count;
        }
    }

    /// <summary>Adds a key for now. A pending delay of the key stays: it is worked on then, too.</summary>
    public void Add(TKey key)
    {
        lock (_lock)
            AddNeedsLock(key);
    }

    /// <summary>Adds a key after a delay. Of several pending delays of one key the earliest holds.</summary>
    public void AddAfter(TKey key, TimeSpan delay)
    {
        lock (_lock)
            AddAfterNeedsLock(key, delay);
    }

    /// <summary>Adds a key after the delay its failures so far call for.</summary>
    public void AddRateLimited(TKey key)
    {
        lock (_lock)
        {
            AddAfterNeedsLock(key, _limiter.Next(key));
            _metrics.QueueRetries.WithLabels(_name).Inc();
        }
    }

    /// <summary>The key succeeded: its next failure starts with the shortest delay.</summary>
    public void Forget(TKey key)
    {
        lock (_lock)
            _limiter.Forget(key);
    }

    /// <summary>How often the key failed since it was last forgotten.</summary>
    public int Failures(TKey key)
    {
        lock (_lock)
            return _limiter.Failures(key);
    }

    /// <summary>Waits for a key. The caller works on it and then calls <see cref="Done"/>, always.</summary>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    public async Task<TKey> GetAsync(CancellationToken cancellationToken)
    {
        await _available.WaitAsync(cancellationToken);
        lock (_lock)
        {
            TKey key = _ready.Dequeue();
            _dirty.Remove(key);
            long now = _time.GetTimestamp();
            _processing[key] = now;
            _addedAt.Remove(key, out long addedAt);
            _metrics.QueueDuration.WithLabels(_name).Observe(_time.GetElapsedTime(addedAt, now).TotalSeconds);
            _metrics.QueueDepth.WithLabels(_name).Set(_ready.Count);
            return key;
        }
    }

    /// <summary>The work on <paramref name="key"/> is over; if it was added meanwhile it is ready again.</summary>
    public void Done(TKey key)
    {
        lock (_lock)
        {
            if (!_processing.Remove(key, out long startedAt))
                return;
            _metrics.WorkDuration.WithLabels(_name).Observe(_time.GetElapsedTime(startedAt).TotalSeconds);
            if (_dirty.Contains(key))
                EnqueueNeedsLock(key);
        }
    }

    /// <summary>Stops the timer; nothing delayed becomes ready any more.</summary>
    public void Dispose()
    {
        lock (_lock)
            _disposed = true;
        _timer.Dispose();
        _available.Dispose();
    }

    private void AddNeedsLock(TKey key)
    {
        if (_disposed || !_dirty.Add(key))
            return;
        _metrics.QueueAdds.WithLabels(_name).Inc();
        _addedAt[key] = _time.GetTimestamp();
        if (!_processing.ContainsKey(key))
            EnqueueNeedsLock(key);
    }

    private void EnqueueNeedsLock(TKey key)
    {
        if (_disposed)
            return;
        _ready.Enqueue(key);
        _metrics.QueueDepth.WithLabels(_name).Set(_ready.Count);
        _available.Release();
    }

    private void AddAfterNeedsLock(TKey key, TimeSpan delay)
    {
        if (delay <= TimeSpan.Zero)
        {
            AddNeedsLock(key);
            return;
        }
        DateTimeOffset due = _time.GetUtcNow() + delay;
        if (_disposed || (_waiting.TryGetValue(key, out DateTimeOffset pending) && pending <= due))
            return;
        _waiting[key] = due;
        _byTime.Enqueue(key, due);
        ScheduleNeedsLock();
    }

    private void PromoteDue()
    {
        lock (_lock)
        {
            if (_disposed)
                return;
            while (_byTime.TryPeek(out TKey? key, out DateTimeOffset due) && due <= _time.GetUtcNow())
            {
                _byTime.Dequeue();
                // An entry that an earlier one replaced is stale.
                if (!_waiting.TryGetValue(key, out DateTimeOffset current) || current != due)
                    continue;
                _waiting.Remove(key);
                AddNeedsLock(key);
            }
            ScheduleNeedsLock();
        }
    }

    private void ScheduleNeedsLock()
    {
        if (!_byTime.TryPeek(out _, out DateTimeOffset due))
            return;
        TimeSpan wait = due - _time.GetUtcNow();
        wait = wait < TimeSpan.Zero ? TimeSpan.Zero : wait > LongestTimer ? LongestTimer : wait;
        _timer.Change(wait, Timeout.InfiniteTimeSpan);
    }
}
