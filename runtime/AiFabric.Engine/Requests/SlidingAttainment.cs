namespace AiFabric.Engine.Requests;

/// <summary>Fraction of events within an objective over the last minute, in buckets of a second. Thread safe.</summary>
/// <param name="time">Clock.</param>
public sealed class SlidingAttainment(TimeProvider time)
{
    private const int Seconds = 60;

    private readonly Lock gate = new();
    private readonly (long Second, int Met, int Total)[] buckets = new (long, int, int)[Seconds];

    /// <summary>Null when nothing happened in the last minute.</summary>
    public double? Value
    {
        get
        {
            long oldest = Now - Seconds + 1;
            long met = 0, total = 0;
            lock (gate)
            {
                foreach (var bucket in buckets)
                {
                    if (bucket.Second < oldest)
                        continue;
                    met += bucket.Met;
                    total += bucket.Total;
                }
            }
            return total == 0 ? null : (double)met / total;
        }
    }

    private long Now => time.GetTimestamp() / time.TimestampFrequency;

    public void Observe(bool met)
    {
        long second = Now;
        lock (gate)
        {
            ref var bucket = ref buckets[second % Seconds];
            if (bucket.Second != second)
                bucket = (second, 0, 0);
            bucket.Total++;
            bucket.Met += met ? 1 : 0;
        }
    }
}
