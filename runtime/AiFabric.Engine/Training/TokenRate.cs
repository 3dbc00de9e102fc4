namespace AiFabric.Engine.Training;

/// <summary>Tokens per second over a sliding window. Thread safe.</summary>
internal sealed class TokenRate(TimeProvider time)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(10);
    private readonly Lock gate = new();
    private readonly Queue<(long Timestamp, int Tokens)> slices = new();
    private long tokens;
    private long? started;

    /// <summary>Counts tokens that were just done.</summary>
    public void Add(int count)
    {
        lock (gate)
        {
            slices.Enqueue((time.GetTimestamp(), count));
            tokens += count;
            Expire();
        }
    }

    /// <summary>Begins a run: time before it does not count.</summary>
    public void Restart()
    {
        lock (gate)
        {
            slices.Clear();
            (tokens, started) = (0, time.GetTimestamp());
        }
    }

    /// <summary>The rate now; 0 before the first token.</summary>
    public double PerSecond
    {
        get
        {
            lock (gate)
            {
                Expire();
                if (started is not { } start || tokens == 0)
                    return 0;
                TimeSpan elapsed = time.GetElapsedTime(start);
                double seconds = Math.Min(elapsed.TotalSeconds, Window.TotalSeconds);
                return seconds > 0 ? tokens / seconds : 0;
            }
        }
    }

    private void Expire()
    {
        while (slices.TryPeek(out (long Timestamp, int Tokens) oldest) && time.GetElapsedTime(oldest.Timestamp) > Window)
            tokens -= slices.Dequeue().Tokens;
    }
}
