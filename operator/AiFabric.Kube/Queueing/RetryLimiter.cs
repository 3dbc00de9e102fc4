namespace AiFabric.Kube;

/// <summary>Says how long a failed key waits: a delay that doubles per key, and never less than the overall rate allows.</summary>
/// <remarks>Not thread-safe: its owner locks. The shape is controller-runtime's DefaultTypedControllerRateLimiter.</remarks>
internal sealed class RetryLimiter<TKey>(RateLimitOptions options, TimeProvider time)
    where TKey : notnull
{
    private readonly Dictionary<TKey, int> _failures = [];
    private readonly TokenBucket _bucket = new(options.RetriesPerSecond, options.Burst, time);

    public TimeSpan Next(TKey key)
    {
        int failures = _failures.GetValueOrDefault(key);
        _failures[key] = failures + 1;
        // As a double the power overflows to infinity, not to a negative delay.
        double milliseconds = options.BaseDelay.TotalMilliseconds * Math.Pow(2, failures);
        TimeSpan own = milliseconds >= options.MaxDelay.TotalMilliseconds ? options.MaxDelay : TimeSpan.FromMilliseconds(milliseconds);
        TimeSpan shared = _bucket.Reserve();
        return own > shared ? own : shared;
    }

    public int Failures(TKey key) => _failures.GetValueOrDefault(key);

    public void Forget(TKey key) => _failures.Remove(key);
}
