namespace AiFabric.Engine.Scheduling;

/// <summary>
/// Milliseconds of a forward pass as a + b · decode rows (drafts among them) + c · prompt tokens + d · finetuning tokens, and of backward as e · tokens,
/// learned online: least squares over the last hundreds of iterations (older ones fade), held near the last estimate where the
/// iterations seen do not tell the terms apart.
/// </summary>
public sealed class LatencyModel
{
    private const int Terms = 4;

    // A weight of 0.995 halves an iteration's influence after 138 further ones.
    private const double Fade = 0.995;
    private const double Ridge = 1e-3;
    private const double BackwardBlend = 0.1;
    private const int ObservationsToTrust = 3;

    // The first passes pay for memory and threads that later ones find ready; a pass during which the machine did something else
    // tells nothing, yet a lasting change must get through, so an outlier is cut and not dropped.
    private const int ColdPasses = 2;
    private const double Outlier = 4;

    // Features are scaled to about one, so that one ridge fits all.
    private const double DecodeUnit = 16, TokenUnit = 256;

    private readonly double[] squares = new double[Terms * Terms];
    private readonly double[] products = new double[Terms];
    private readonly double[] weights = new double[Terms];
    private double backwardPerToken;
    private int passes;
    private int forwardObservations;
    private int backwardObservations;

    /// <summary>Whether enough windows were timed to trust <see cref="ForwardPerToken"/>.</summary>
    public bool KnowsForward => forwardObservations >= ObservationsToTrust;

    /// <summary>Whether enough slices were timed to trust <see cref="BackwardPerToken"/>.</summary>
    public bool KnowsBackward => backwardObservations >= ObservationsToTrust;

    /// <summary>Milliseconds that one more finetuning token adds to a forward pass.</summary>
    public double ForwardPerToken => Math.Max(weights[3], 0) / TokenUnit;

    /// <summary>Milliseconds of backward per token.</summary>
    public double BackwardPerToken => backwardPerToken;

    /// <summary>Milliseconds of a forward pass without finetuning.</summary>
    public double Inference(int decodeRows, int promptTokens) =>
        Math.Max(0, weights[0]) + (Math.Max(0, weights[1]) * decodeRows / DecodeUnit) + (Math.Max(0, weights[2]) * promptTokens / TokenUnit);

    /// <summary>Which share of a forward pass's time its decode rows add; 0 before anything is known.</summary>
    public double DecodeShare(int decodeRows, int promptTokens)
    {
        double all = Inference(decodeRows, promptTokens);
        return all <= 0 ? 0 : Math.Max(0, weights[1]) * decodeRows / DecodeUnit / all;
    }

    /// <summary>Learns from a forward pass.</summary>
    public void ObserveForward(int decodeRows, int promptTokens, int finetuneTokens, double milliseconds)
    {
        if (++passes <= ColdPasses)
            return;
        if (finetuneTokens > 0)
            forwardObservations++;
        double expected = Inference(decodeRows, promptTokens) + (ForwardPerToken * finetuneTokens);
        if (passes > ColdPasses + Terms && expected > 0)
            milliseconds = Math.Min(milliseconds, expected * Outlier);
        ReadOnlySpan<double> features = [1, decodeRows / DecodeUnit, promptTokens / TokenUnit, finetuneTokens / TokenUnit];
        for (int row = 0; row < Terms; row++)
        {
            products[row] = (products[row] * Fade) + (features[row] * milliseconds);
            for (int column = 0; column < Terms; column++)
                squares[(row * Terms) + column] = (squares[(row * Terms) + column] * Fade) + (features[row] * features[column]);
        }
        Solve();
    }

    /// <summary>Learns from a slice of backward.</summary>
    public void ObserveBackward(int tokens, double milliseconds)
    {
        double perToken = milliseconds / tokens;
        backwardPerToken = backwardObservations++ == 0 ? perToken : backwardPerToken + (BackwardBlend * (perToken - backwardPerToken));
    }

    // Gaussian elimination on (squares + ridge) · weights = products + ridge · old weights; positive definite, so no pivoting.
    private void Solve()
    {
        Span<double> matrix = stackalloc double[Terms * Terms];
        squares.CopyTo(matrix);
        Span<double> right = stackalloc double[Terms];
        for (int i = 0; i < Terms; i++)
        {
            matrix[(i * Terms) + i] += Ridge;
            right[i] = products[i] + (Ridge * weights[i]);
        }
        for (int pivot = 0; pivot < Terms; pivot++)
        {
            for (int row = pivot + 1; row < Terms; row++)
            {
                double factor = matrix[(row * Terms) + pivot] / matrix[(pivot * Terms) + pivot];
                for (int column = pivot; column < Terms; column++)
                    matrix[(row * Terms) + column] -= factor * matrix[(pivot * Terms) + column];
                right[row] -= factor * right[pivot];
            }
        }
        for (int row = Terms - 1; row >= 0; row--)
        {
            double sum = right[row];
            for (int column = row + 1; column < Terms; column++)
                sum -= matrix[(row * Terms) + column] * weights[column];
            weights[row] = sum / matrix[(row * Terms) + row];
        }
    }
}
