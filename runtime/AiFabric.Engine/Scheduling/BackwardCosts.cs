using AiFabric.Engine.Training;

namespace AiFabric.Engine.Scheduling;

/// <summary>
/// Milliseconds of backward, learned online: of a loss a + b · tokens, of a step c + d · tokens + e · pairs of a query and a key. The weights' memory
/// traffic is in a and c, so that a wide window costs less than narrow ones. Losses and steps are timed apart: from their sum nobody could tell what is whose.
/// </summary>
internal sealed class BackwardCosts
{
    // The first ones pay for memory and threads that later ones find ready.
    private const int Cold = 2;
    private const int MostWorthwhile = 64;

    private readonly LinearFit losses = new LinearFit(1, 64).WithFirstLast();
    private readonly LinearFit steps = new LinearFit(4, 1_024, 262_144).WithFirmLast();

    private int coldLosses;
    private int coldSteps;

    /// <summary>The loss of so many tokens and its gradient.</summary>
    public double Loss(int tokens) => tokens == 0 ? 0 : losses[0] + (losses[1] * tokens);

    /// <summary>So many tokens' loss takes twice as long as what every piece of loss takes: with fewer too much is lost.</summary>
    public int WorthwhileLoss => losses[1] > 0 ? (int)Math.Min(MostWorthwhile, 2 * losses[0] / losses[1]) : 0;

    /// <summary>The most tokens whose loss fits.</summary>
    public int LossTokens(double milliseconds) => LatencyModel.Fit(milliseconds - losses[0], losses[1], 0, 0);

    /// <summary>One step over a window.</summary>
    /// <param name="tokens">Of the window.</param>
    /// <param name="end">Position behind its last token.</param>
    public double Step(int tokens, int end) => steps[0] + (steps[1] * tokens) + (steps[2] * LatencyModel.Pairs(end - tokens, tokens));

    /// <summary>The most tokens of a window whose backward of one step fits.</summary>
    public int TokensOfStep(double milliseconds, int end) => LatencyModel.Fit(milliseconds - steps[0], steps[1] + (steps[2] * end), 0, 0);

    /// <summary>A slice.</summary>
    public double Of(BackwardSlice slice, int end) => Loss(slice.LossTokens) + (slice.Steps * Step(slice.Tokens, end));

    /// <summary>Learns from a slice.</summary>
    /// <param name="tokens">Of its window.</param>
    /// <param name="end">Position behind its last token.</param>
    /// <param name="times">What it took.</param>
    public void Observe(int tokens, int end, SliceTimes times)
    {
        if (times.LossTokens > 0 && ++coldLosses > Cold)
            losses.Observe([1, times.LossTokens], times.Losses.TotalMilliseconds);
        if (times.Steps > 0 && ++coldSteps > Cold)
            steps.Observe([times.Steps, (double)times.Steps * tokens, times.Steps * LatencyModel.Pairs(end - tokens, tokens)], times.OfSteps.TotalMilliseconds);
    }

    /// <summary>Goes by another's costs where nothing of its own was observed.</summary>
    public void Follow(BackwardCosts other, double factor)
    {
        if (losses.Count == 0)
            losses.Follow(other.losses, factor);
        if (steps.Count == 0)
            steps.Follow(other.steps, factor);
    }

    /// <summary>The weights, to be kept and given to <see cref="Restore"/>.</summary>
    public double[] Snapshot() => [.. losses.Snapshot(), .. steps.Snapshot()];

    /// <exception cref="ArgumentException">They are not as many as the terms, or not finite.</exception>
    public void Restore(IReadOnlyList<double> kept)
    {
        (coldLosses, coldSteps) = (0, 0);
        losses.Restore([.. kept.Take(2)]);
        steps.Restore([.. kept.Skip(2)]);
    }
}
