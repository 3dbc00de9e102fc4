namespace AiFabric.Engine.Scheduling;

/// <summary>
/// A sum of terms with weights that are learned online: least squares over the last hundreds of observations (older ones fade), held near the
/// last estimate where the observations do not tell the terms apart. Allocates nothing after its construction.
/// </summary>
internal sealed class LinearFit
{
    // A weight of 0.995 halves an observation's influence after 138 further ones.
    private const double Fade = 0.995;
    private const double Ridge = 1e-3;

    // A machine that did something else for a moment tells nothing, yet a lasting change must get through: an outlier is cut and not dropped.
    private const double Outlier = 4;

    private readonly double[] units;
    private readonly double[] scaled;
    private readonly double[] squares;
    private readonly double[] products;
    private readonly double[] weights;
    private readonly double[] matrix;
    private readonly double[] right;

    /// <param name="units">A usual value of each term, so that one ridge fits all.</param>
    public LinearFit(params double[] units)
    {
        this.units = units;
        (scaled, products, weights, right) = (new double[units.Length], new double[units.Length], new double[units.Length], new double[units.Length]);
        (squares, matrix) = (new double[units.Length * units.Length], new double[units.Length * units.Length]);
    }

    /// <summary>Observations so far.</summary>
    public int Count { get; private set; }

    /// <summary>What one more of a term adds; never less than nothing.</summary>
    public double this[int term] => Math.Max(0, weights[term]) / units[term];

    /// <summary>The weights, to be kept and given to <see cref="Restore"/>.</summary>
    public double[] Snapshot() => [.. weights];

    /// <summary>Goes on from weights that were learned before.</summary>
    /// <exception cref="ArgumentException">They are not as many as the terms, or not finite.</exception>
    public void Restore(IReadOnlyList<double> kept)
    {
        if (kept.Count != weights.Length || !kept.All(double.IsFinite))
            throw new ArgumentException($"{kept.Count} weights are not {weights.Length} finite ones.", nameof(kept));
        for (int i = 0; i < weights.Length; i++)
            weights[i] = kept[i];
        Count = units.Length;
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

    // Gaussian elimination on (squares + ridge) · weights = products + ridge · old weights; positive definite, so no pivoting.
    private void Solve()
    {
        int terms = units.Length;
        squares.CopyTo(matrix, 0);
        for (int i = 0; i < terms; i++)
        {
            matrix[(i * terms) + i] += Ridge;
            right[i] = products[i] + (Ridge * weights[i]);
        }
        for (int pivot = 0; pivot < terms; pivot++)
        {
            for (int row = pivot + 1; row < terms; row++)
            {
                double factor = matrix[(row * terms) + pivot] / matrix[(pivot * terms) + pivot];
                for (int column = pivot; column < terms; column++)
                    matrix[(row * terms) + column] -= factor * matrix[(pivot * terms) + column];
                right[row] -= factor * right[pivot];
            }
        }
        for (int row = terms - 1; row >= 0; row--)
        {
            double sum = right[row];
            for (int column = row + 1; column < terms; column++)
                sum -= matrix[(row * terms) + column] * weights[column];
            weights[row] = sum / matrix[(row * terms) + row];
        }
    }
}
