namespace AiFabric.LocalCluster.Controllers;

/// <summary>Keys waiting for work. A key waits at most once, so the queue is bounded by the number of objects.</summary>
internal sealed class WorkQueue<TKey>(TimeProvider time)
    where TKey : notnull
{
    private readonly Lock _lock = new();
    private readonly Queue<TKey> _ready = new();
    private readonly HashSet<TKey> _waiting = [];
    private readonly Dictionary<TKey, DateTimeOffset> _later = [];
    private TaskCompletionSource _changed = NewSignal();

    public void Add(TKey key)
    {
        lock (_lock)
        {
            if (_waiting.Add(key))
            {
                _ready.Enqueue(key);
                _changed.TrySetResult();
            }
        }
    }

    /// <summary>Adds the key once <paramref name="delay"/> has passed; an earlier wish for the same key wins.</summary>
    public void AddAfter(TKey key, TimeSpan delay)
    {
        lock (_lock)
        {
            DateTimeOffset due = time.GetUtcNow() + delay;
            if (!_later.TryGetValue(key, out DateTimeOffset known) || due < known)
            {
                _later[key] = due;
                _changed.TrySetResult();
            }
        }
    }

    public async Task<TKey> TakeAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            TimeSpan wait;
            lock (_lock)
            {
                wait = PromoteDue();
                if (_ready.TryDequeue(out TKey? key))
                {
                    _waiting.Remove(key);
                    return key;
                }

                _changed = NewSignal();
                changed = _changed.Task;
            }

            try
            {
                await changed.WaitAsync(wait, time, cancellationToken);
            }
            catch (TimeoutException)
            {
                // A delayed key is due.
            }
        }
    }

    private TimeSpan PromoteDue()
    {
        DateTimeOffset now = time.GetUtcNow();
        foreach (TKey key in _later.Where(l => l.Value <= now).Select(l => l.Key).ToList())
        {
            _later.Remove(key);
            if (_waiting.Add(key))
            {
                _ready.Enqueue(key);
            }
        }

        return _later.Count == 0 ? Timeout.InfiniteTimeSpan : _later.Values.Min() - now;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
