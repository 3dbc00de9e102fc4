namespace AiFabric.Gateway.Demand;

/// <summary>The unfinished requests of one model: how many now, and how many lately.</summary>
public sealed class DemandMeter(TimeProvider time)
{
    /// <summary>
    /// Time constant of the average: after so long a change counts for 63%. Long enough that a burst of short requests does not start replicas that
    /// come too late for it, short enough to follow a load that stays.
    /// </summary>
    public static readonly TimeSpan Constant = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private long _changed = time.GetTimestamp();
    private long? _ended;
    private int _requests;
    private int _held;
    private double _average;

    /// <summary>How many of the requests wait for a worker.</summary>
    public int Held => Volatile.Read(ref _held);

    public void Begin() => Add(1);

    public void End() => Add(-1);

    public void BeginHold() => Interlocked.Increment(ref _held);

    public void EndHold() => Interlocked.Decrement(ref _held);

    /// <summary>The requests now, their exponentially weighted average, and the time since the last one ended (null for never).</summary>
    public (int Requests, double Average, TimeSpan? Idle) Read()
    {
        lock (_lock)
        {
            Settle();
            TimeSpan? idle = _requests > 0 ? TimeSpan.Zero : _ended is { } ended ? time.GetElapsedTime(ended) : null;
            return (_requests, _average, idle);
        }
    }

    private void Add(int change)
    {
        lock (_lock)
        {
            Settle();
            _requests += change;
            if (change < 0)
                _ended = _changed;
        }
    }

    /// <summary>Exact for a number that changes in steps, however often it is read.</summary>
    private void Settle()
    {
        long now = time.GetTimestamp();
        double passed = time.GetElapsedTime(_changed, now) / Constant;
        _average = _requests + ((_average - _requests) * Math.Exp(-passed));
        _changed = now;
    }
}
