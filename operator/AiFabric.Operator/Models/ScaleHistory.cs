namespace AiFabric.Operator.Models;

/// <summary>A number of replicas at a time.</summary>
internal readonly record struct ScaleSample(DateTimeOffset At, int Replicas);

/// <summary>
/// What was recommended and what ran, as far as it still decides anything. Immutable. Only samples that no later one outdoes are kept (a later
/// recommendation at least as high, a later count at least as low), so that a steady model needs one of each however long its window is.
/// </summary>
internal sealed record ScaleHistory
{
    public static ScaleHistory Empty { get; } = new();

    /// <summary>Recommendations, falling.</summary>
    private IReadOnlyList<ScaleSample> Recommended { get; init; } = [];

    /// <summary>Counts of what ran, rising.</summary>
    private IReadOnlyList<ScaleSample> Ran { get; init; } = [];

    /// <summary>When it was last added to; null for never.</summary>
    public DateTimeOffset? LastAt { get; private init; }

    /// <summary>Samples in memory.</summary>
    public int Count => Recommended.Count + Ran.Count;

    /// <summary>The highest recommendation since <paramref name="start"/>; 0 when there is none.</summary>
    public int Highest(DateTimeOffset start) => Recommended.Where(sample => sample.At >= start).Select(sample => sample.Replicas).FirstOrDefault();

    /// <summary>The lowest count since <paramref name="start"/>; null when there is none.</summary>
    public int? Lowest(DateTimeOffset start) => Ran.Where(sample => sample.At >= start).Select(sample => (int?)sample.Replicas).FirstOrDefault();

    /// <summary>With one more moment in it, and without what is older than <paramref name="keep"/>.</summary>
    public ScaleHistory With(DateTimeOffset now, int recommended, int running, TimeSpan keep) => new()
    {
        Recommended = [.. Recommended.Where(sample => sample.At >= now - keep && sample.Replicas > recommended), new(now, recommended)],
        Ran = [.. Ran.Where(sample => sample.At >= now - keep && sample.Replicas < running), new(now, running)],
        LastAt = now,
    };
}
