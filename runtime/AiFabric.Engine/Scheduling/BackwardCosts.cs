using AiFabric.Engine.Training;

namespace AiFabric.Engine.Scheduling;

/// <summary>
/// Milliseconds of backward, learned online: of a loss a + b · tokens, of a layer c + d · tokens + e · pairs of a query and a key. The weights' memory
/// traffic is in a and c, so that a wide window costs less than narrow ones. Losses and layers are timed apart: from their sum nobody could tell what is whose.
/// </summary>
internal sealed class BackwardCosts
{
    // The first ones pay for memory and threads that later ones find ready.
    private const int Cold = 2;
    private const int MostWorthwhile = 64;

    private readonly LinearFit losses = new(1, 64);
    private readonly LinearFit layers = new LinearFit(4, 1_024, 262_144).WithFirmLast();

    private int coldLosses;
    private int coldLayers;

    /// <summary>Whether anything was seen.</summary>
    public bool IsKnown => losses.Count + layers.Count > 0;

    /// <summary>The loss of so many tokens and its gradient.</summary>
    public double Loss(int tokens) => tokens == 0 ? 0 : losses[0] + (losses[1] * tokens);

    /// <summary>So many tokens' loss takes twice as long as what every piece of loss takes: with fewer too much is lost.</summary>
    public int WorthwhileLoss => losses[1] > 0 ? (int)Math.Min(MostWorthwhile, 2 * losses[0] / losses[1]) : 0;

    /// <summary>The most tokens whose loss fits.</summary>
    public int LossTokens(double milliseconds) => LatencyModel.Fit(milliseconds - losses[0], losses[1], 0, 0);

    /// <summary>One layer over a window.</summary>
    /// <param name="tokens">Of the window.</param>
    /// <param name="end">Position behind its last token.</param>
    public double Layer(int tokens, int end) => layers[0] + (layers[1] * tokens) + (layers[2] * LatencyModel.Pairs(end - tokens, tokens));

    /// <summary>The most tokens of a window whose backward of one layer fits.</summary>
    public int TokensOfLayer(double milliseconds, int end) => LatencyModel.Fit(milliseconds - layers[0], layers[1] + (layers[2] * end), 0, 0);

    /// <summary>A slice.</summary>
    public double Of(BackwardSlice slice, int end) => Loss(slice.LossTokens) + (slice.Layers * Layer(slice.Tokens, end));

    /// <summary>Learns from a slice.</summary>
    /// <param name="tokens">Of its window.</param>
    /// <param name="end">Position behind its last token.</param>
    /// <param name="times">What it took.</param>
    public void Observe(int tokens, int end, SliceTimes times)
    {
        if (times.LossTokens > 0 && ++coldLosses > Cold)
            losses.Observe([1, times.LossTokens], times.Losses.TotalMilliseconds);
        if (times.Layers > 0 && ++coldLayers > Cold)
            layers.Observe([times.Layers, (double)times.Layers * tokens, times.Layers * LatencyModel.Pairs(end - tokens, tokens)], times.OfLayers.TotalMilliseconds);
    }

    /// <summary>Goes by another's costs until something of its own is observed.</summary>
    public void Follow(BackwardCosts other, double factor)
    {
        losses.Follow(other.losses, factor);
        layers.Follow(other.layers, factor);
    }

    /// <summary>The weights, to be kept and given to <see cref="Restore"/>.</summary>
    public double[] Snapshot() => [.. losses.Snapshot(), .. layers.Snapshot()];

    /// <exception cref="ArgumentException">They are not as many as the terms, or not finite.</exception>
    public void Restore(IReadOnlyList<double> kept)
    {
        (coldLosses, coldLayers) = (0, 0);
        losses.Restore([.. kept.Take(2)]);
        layers.Restore([.. kept.Skip(2)]);
    }
}
