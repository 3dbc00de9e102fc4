namespace AiFabric.Engine.Scheduling;

/// <summary>
/// A sum of terms with weights, none below zero, that are learned online: least squares over the last hundreds of observations (older ones fade), held near the
/// last estimate where the observations do not tell the terms apart. Allocates nothing after its construction.
/// </summary>
internal sealed class LinearFit
{
    // A weight of 0.995 halves an observation's influence after 138 further ones.
    private const double Fade = 0.995;
    private const double Ridge = 1e-3;
    private const double FirmRidge = 10;
    private const int Sweeps = 32;

    // A machine that did something else for a moment tells nothing, yet a lasting change must get through: an outlier is cut and not dropped.
    private const double Outlier = 4;

    private readonly double[] units;
    private readonly double[] ridges;
    private readonly double[] scaled;
    private readonly double[] squares;
    private readonly double[] products;
    private readonly double[] weights;
    private readonly double[] before;
    private int first;

    /// <param name="units">A usual value of each term, so that one ridge fits all.</param>
    public LinearFit(params double[] units)
    {
        this.units = units;
        ridges = [.. units.Select(_ => Ridge)];
        (scaled, products, weights, before) = (new double[units.Length], new double[units.Length], new double[units.Length], new double[units.Length]);
        squares = new double[units.Length * units.Length];
    }

    /// <summary>Holds the last term firmly: only observations in which it is near its unit move it. Where it is small it would take up the noise of the others, and be far off where it is large.</summary>
    public LinearFit WithFirmLast()
    {
        ridges[^1] = FirmRidge;
        return this;
    }

    /// <summary>
    /// Leaves to the first term, what everything costs besides, only what the others do not explain: where all observations are equally large the cost is taken to be theirs by size.
    /// Otherwise nothing smaller would ever seem to fit, and be tried.
    /// </summary>
    public LinearFit WithFirstLast()
    {
        first = 1;
        return this;
    }

    /// <summary>Observations so far.</summary>
    public int Count { get; private set; }

    /// <summary>What one more of a term adds; never less than nothing.</summary>
    public double this[int term] => weights[term] / units[term];

    /// <summary>The weights, to be kept and given to <see cref="Restore"/>.</summary>
    public double[] Snapshot() => [.. weights];

    /// <summary>Goes on from weights that were learned before.</summary>
    /// <exception cref="ArgumentException">They are not as many as the terms, or not finite.</exception>
    public void Restore(IReadOnlyList<double> kept)
    {
        if (kept.Count != weights.Length || !kept.All(weight => double.IsFinite(weight) && weight >= 0))
            throw new ArgumentException($"{kept.Count} weights are not {weights.Length} of zero and more.", nameof(kept));
        for (int i = 0; i < weights.Length; i++)
            weights[i] = kept[i];
        Count = Math.Max(Count, 1_000); // It saw enough.
    }

    /// <summary>Goes by another's weights until it observes something of its own.</summary>
    public void Follow(LinearFit other, double factor)
    {
        for (int i = 0; i < weights.Length; i++)
            weights[i] = factor * other.weights[i];
    }

    public double Predict(ReadOnlySpan<double> terms)
    {
        double sum = 0;
        for (int i = 0; i < units.Length; i++)
            sum += this[i] * terms[i];
        return sum;
    }

    /// <summary>Learns from an observation.</summary>
    public void Observe(ReadOnlySpan<double> terms, double value)
    {
        double expected = Predict(terms);
        if (++Count > units.Length && expected > 0)
            value = Math.Min(value, expected * Outlier);
        for (int i = 0; i < units.Length; i++)
            scaled[i] = terms[i] / units[i];
        for (int row = 0; row < units.Length; row++)
        {
            products[row] = (products[row] * Fade) + (scaled[row] * value);
            for (int column = 0; column < units.Length; column++)
                squares[(row * units.Length) + column] = (squares[(row * units.Length) + column] * Fade) + (scaled[row] * scaled[column]);
        }
        Solve();
    }

    // (squares + ridge) · weights = products + ridge · old weights by Gauss-Seidel from the old weights, no weight below zero: nothing takes less time for
    // being more, and where terms rise and fall together the error of one must not hide in another's minus.
    private void Solve()
    {
        weights.CopyTo(before, 0);
        for (int sweep = 0; sweep < Sweeps; sweep++)
        {
            for (int i = 0; i < units.Length; i++)
            {
                int row = (i + first) % units.Length;
                double right = products[row] + (ridges[row] * before[row]);
                for (int column = 0; column < units.Length; column++)
                    right -= column == row ? 0 : squares[(row * units.Length) + column] * weights[column];
                weights[row] = Math.Max(0, right / (squares[(row * units.Length) + row] + ridges[row]));
            }
        }
    }
}
