namespace AiFabric.Gateway.Pipelines.Runs;

/// <summary>How long calls of a stage take, from the asking to the end: a mean in which newer calls count more. Thread safe.</summary>
public sealed class CallPace
{
    private const double Newest = 0.1;

    private readonly Lock _lock = new();
    private TimeSpan? _mean;

    /// <summary>Zero before the first call has ended.</summary>
    public TimeSpan Mean
    {
        get
        {
            lock (_lock)
                return _mean ?? TimeSpan.Zero;
        }
    }

    /// <summary>A call has ended.</summary>
    public void Add(TimeSpan took)
    {
        lock (_lock)
            _mean = _mean is { } mean ? mean + (Newest * (took - mean)) : took;
    }
}
