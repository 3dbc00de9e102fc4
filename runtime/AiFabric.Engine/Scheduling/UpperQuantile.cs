namespace AiFabric.Engine.Scheduling;

/// <summary>
/// A quantile of what was observed lately, by steps: up when an observation exceeds it, down by less when not, so that in the long run a
/// share of <paramref name="quantile"/> stays below.
/// </summary>
/// <param name="quantile">Between 0 and 1.</param>
/// <param name="start">The first estimate.</param>
/// <param name="least">The estimate is never less.</param>
/// <param name="most">Nor more.</param>
/// <remarks>Source: stochastic approximation (Robbins and Monro 1951) of the quantile's equation P(x ≤ q) = quantile.</remarks>
internal sealed class UpperQuantile(double quantile, double start, double least, double most)
{
    private const double Step = 0.02;

    public double Value { get; private set; } = start;

    /// <summary>Goes on from an estimate that was kept.</summary>
    public void Restore(double value) => Value = Math.Clamp(value, least, most);

    public void Observe(double value) => Value = Math.Clamp(Value + (Step * (value > Value ? quantile : quantile - 1)), least, most);
}
