namespace AiFabric.Gateway.Limits;

/// <summary>
/// A budget for each minute that refills steadily: full after a minute of rest, and in debt after what was spent without asking. Pure: told the time. Not
/// thread safe.
/// </summary>
/// <param name="perMinute">What refills in a minute, and what it holds.</param>
/// <param name="now">The time, on any clock that only goes forward. It is full then.</param>
public sealed class TokenBucket(long perMinute, TimeSpan now)
{
    private double _level = perMinute;
    private TimeSpan _seen = now;

    public long PerMinute => perMinute;

    /// <summary>What is left; negative in debt.</summary>
    public double LevelAt(TimeSpan time)
    {
        if (time > _seen)
            (_level, _seen) = (Math.Min(perMinute, _level + (perMinute * (time - _seen).TotalMinutes)), time);
        return _level;
    }

    /// <summary>Whether an amount can be spent. One that the bucket never holds can be when it is full, or it never could.</summary>
    public bool Has(double amount, TimeSpan time) => LevelAt(time) >= Math.Min(amount, perMinute);

    /// <summary>Spends an amount, into debt if need be; a negative one is given back.</summary>
    public void Spend(double amount, TimeSpan time) => _level = Math.Min(perMinute, LevelAt(time) - amount);

    /// <summary>How long until an amount can be spent.</summary>
    public TimeSpan Until(double amount, TimeSpan time) =>
        TimeSpan.FromMinutes(Math.Max(0, (Math.Min(amount, perMinute) - LevelAt(time)) / perMinute));
}
