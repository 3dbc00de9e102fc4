using AiFabric.Engine.Training;

namespace AiFabric.Engine.Scheduling;

/// <summary>Milliseconds of a slice that begins with a pass: its losses and layers take longer as long as the pass has the other half of the threads.</summary>
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
    public double Of(BackwardSlice slice)
    {
        double losses = beside.Loss(slice.LossTokens), layer = beside.Layer(slice.Tokens, end);
        int first = Math.Min(slice.Layers, LayersBeside(losses, layer));
        return losses + (first * layer) + ((slice.Layers - first) * alone.Layer(slice.Tokens, end));
    }

    /// <summary>The most layers that fit.</summary>
    /// <param name="milliseconds">For losses and layers.</param>
    /// <param name="slice">Their window and losses.</param>
    public double Layers(double milliseconds, BackwardSlice slice)
    {
        double losses = beside.Loss(slice.LossTokens), layer = beside.Layer(slice.Tokens, end), left = milliseconds - losses;
        int first = LayersBeside(losses, layer);
        return left <= first * layer ? left / layer : first + ((left - (first * layer)) / Math.Max(alone.Layer(slice.Tokens, end), 1e-9));
    }

    // Those that begin before the pass ends.
    private int LayersBeside(double losses, double layer) => losses >= pass || layer <= 0 ? 0 : (int)Math.Ceiling((pass - losses) / layer);
}
