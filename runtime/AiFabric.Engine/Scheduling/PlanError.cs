namespace AiFabric.Engine.Scheduling;

/// <summary>
/// The factor by which what was planned is exceeded in one of ten cases. A case is not an iteration but the mean over as many as a request takes part in:
/// its time per token is such a mean, in which longer and shorter iterations make up for each other.
/// </summary>
internal sealed class PlanError
{
    // A weight of 1/16 is a mean over about 31 iterations: an answer of so many tokens.
    private const double Weight = 1.0 / 16;

    private readonly UpperQuantile quantile = new(quantile: 0.9, start: 1.1, least: 0.6, most: 3, step: 0.05);
    private double actual;
    private double expected;

    public double Factor => quantile.Value;

    /// <summary>Goes on from a factor that was kept.</summary>
    public void Restore(double factor) => quantile.Restore(factor);

    /// <summary>Learns from an iteration.</summary>
    /// <param name="took">Milliseconds it took.</param>
    /// <param name="planned">Milliseconds it was to take; more than none.</param>
    public void Observe(double took, double planned)
    {
        double weight = expected == 0 ? 1 : Weight;
        actual += weight * (took - actual);
        expected += weight * (planned - expected);
        quantile.Observe(actual / expected);
    }
}
