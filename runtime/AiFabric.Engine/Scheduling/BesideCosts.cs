using AiFabric.Engine.Training;

namespace AiFabric.Engine.Scheduling;

/// <summary>Milliseconds of a slice that begins with a pass: it takes longer as long as the pass has the other half of the threads.</summary>
internal readonly struct BesideCosts
{
    private readonly BackwardCosts beside;
    private readonly BackwardCosts alone;
    private readonly double pass;
    private readonly int end;

    /// <param name="latency">What things cost.</param>
    /// <param name="batch">The iteration; its inference rows are final.</param>
    public BesideCosts(LatencyModel latency, Batch batch)
    {
        (beside, alone, end) = (latency.Backward(beside: true), latency.Backward(), batch.TrainingPosition);
        pass = latency.Inference(batch.DecodeTokens, batch.PromptTokens, batch.Pairs, beside: true);
    }

    /// <summary>A slice.</summary>
    public double Of(BackwardSlice slice) =>
        After(After(0, beside.Loss(slice.LossTokens), alone.Loss(slice.LossTokens)), slice.Steps * beside.Step(slice.Tokens, end), slice.Steps * alone.Step(slice.Tokens, end));

    /// <summary>The most tokens whose loss fits.</summary>
    public int LossTokens(double milliseconds)
    {
        int fits = beside.LossTokens(milliseconds);
        double half = beside.Loss(fits);
        if (milliseconds <= pass || half <= 0 || double.IsPositiveInfinity(milliseconds))
            return fits;
        // What is left when the pass ends takes less from then on.
        double faster = Math.Clamp(alone.Loss(fits) / half, 0.1, 1);
        return beside.LossTokens(pass + ((milliseconds - pass) / faster));
    }

    /// <summary>The most steps that fit.</summary>
    /// <param name="milliseconds">For losses and steps.</param>
    /// <param name="slice">Their window and losses.</param>
    public double Steps(double milliseconds, BackwardSlice slice)
    {
        double from = After(0, beside.Loss(slice.LossTokens), alone.Loss(slice.LossTokens)), together = Math.Max(0, Math.Min(pass, milliseconds) - from);
        return (together / Math.Max(beside.Step(slice.Tokens, end), 1e-9))
            + (Math.Max(0, milliseconds - Math.Max(from, pass)) / Math.Max(alone.Step(slice.Tokens, end), 1e-9));
    }

    // When work ends that began at a time and takes so long on half of the threads, or on all.
    private double After(double from, double half, double all)
    {
        double together = Math.Max(0, pass - from);
        return half <= together ? from + half : from + together + ((1 - (together / half)) * all);
    }
}
