using AiFabric.Engine.Training;

namespace AiFabric.Engine.Scheduling;

/// <summary>Finetuning of an iteration: the largest window, or the largest slice of backward, that the time left carries.</summary>
/// <param name="options">The bounds.</param>
/// <param name="latency">What things cost.</param>
/// <param name="time">The iteration's time.</param>
internal sealed class TrainingBudget(SchedulerOptions options, LatencyModel latency, IterationBudget time)
{
    private const int SmallestUseful = IterationBudget.SmallestUseful;

    // Backward of a token costs about twice its forward.
    private const double BackwardWork = 2;

    private double saved;

    /// <summary>Sets the batch's finetuning; its inference rows are final.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="demand">Work on offer.</param>
    public void Fill(Batch batch, TrainingDemand demand)
    {
        if (options.MaxFinetuneTokens == 0 || demand.Phase == TrainingPhase.Idle || demand.TokensLeft <= 0)
            return;
        batch.TrainingPosition = demand.Position;
        double milliseconds = time.Training(batch, demand.Phase == TrainingPhase.Backward);
        // Layers are not divided: what one iteration leaves, the next one has, so that on the mean they take what there is and a wide window gets its turn.
        if (batch.HasInference && milliseconds > 0)
            milliseconds += saved;
        if (demand.Phase == TrainingPhase.Forward)
            FillForward(batch, demand, milliseconds);
        else
            FillBackward(batch, demand, milliseconds);
        saved = batch.HasInference && double.IsFinite(milliseconds) ? Math.Clamp(milliseconds - Planned(batch), 0, time.MostSaved) : 0;
    }

    private void FillForward(Batch batch, TrainingDemand demand, double milliseconds)
    {
        int most = Math.Min(demand.TokensLeft, options.MaxBatchTokens - batch.InferenceTokens);
        if (batch.HasInference)
            most = Math.Min(most, options.MaxFinetuneTokens);
        if (double.IsFinite(milliseconds))
            most = Math.Min(most, Math.Min(latency.MostWindow, latency.WindowTokens(milliseconds, demand.Position)));
        if (!batch.HasInference)
            most = Math.Max(most, Math.Min(SmallestUseful, demand.TokensLeft));
        batch.TrainingForwardTokens = IsUseful(most, Math.Min(demand.TokensLeft, options.MaxFinetuneTokens)) ? most : 0;
        batch.TrainingWork = batch.TrainingForwardTokens;
    }

    private void FillBackward(Batch batch, TrainingDemand demand, double milliseconds)
    {
        bool begins = demand.OpenTokens == 0;
        int tokens = begins ? WindowOf(batch, demand, milliseconds) : demand.OpenTokens;
        if (begins && !IsUseful(tokens, Math.Min(demand.TokensLeft, options.MaxFinetuneTokens)))
            return;
        var whole = new BackwardSlice(tokens, begins ? tokens : demand.LossLeft, begins ? demand.Layers : demand.LayersLeft);
        var slice = double.IsFinite(milliseconds) || batch.HasInference ? Part(whole, batch, demand, milliseconds) : whole;
        if (slice.Tokens == 0)
            return;
        batch.Backward = slice;
        batch.TrainingWork = BackwardWork * slice.Tokens * slice.Layers / demand.Layers;
    }

    private double Planned(Batch batch) =>
        latency.Window(batch.TrainingForwardTokens, batch.TrainingPosition) + (batch.Backward.Tokens > 0 ? latency.Backward(batch.Backward, batch.TrainingPosition) : 0);

    // Wide enough to be worth a layer's fixed cost, and not so wide that one layer would not fit beside the inference of a busier hour.
    private int WindowOf(Batch batch, TrainingDemand demand, double milliseconds)
    {
        int most = Math.Min(demand.TokensLeft, options.MaxBatchTokens);
        if (batch.HasInference)
            most = Math.Min(most, options.MaxFinetuneTokens);
        if (!double.IsFinite(milliseconds))
            return most;
        most = (int)Math.Min(most, latency.MostSlice);
        int fits = latency.TokensOfLayer(time.LayerOfWindow(milliseconds - latency.SliceStart), demand.Position);
        return Math.Min(most, batch.HasInference ? fits : Math.Max(fits, SmallestUseful));
    }

    private BackwardSlice Part(BackwardSlice whole, Batch batch, TrainingDemand demand, double milliseconds)
    {
        double left = milliseconds - latency.SliceStart;
        int loss = Math.Min(whole.LossTokens, latency.LossTokens(left));
        if (!batch.HasInference)
            loss = Math.Max(loss, Math.Min(SmallestUseful, whole.LossTokens));
        if (!IsUseful(loss, whole.LossTokens))
            loss = 0;
        int layers = loss < whole.LossTokens ? 0 : Layers(whole, batch, demand, left - latency.Loss(loss));
        return loss == 0 && layers == 0 ? default : new BackwardSlice(whole.Tokens, loss, layers);
    }

    private int Layers(BackwardSlice whole, Batch batch, TrainingDemand demand, double milliseconds)
    {
        double each = latency.Layer(whole.Tokens, demand.Position);
        double most = each > 0 ? Math.Max(0, milliseconds / each) : double.PositiveInfinity;
        if (double.IsFinite(milliseconds))
            most = Math.Min(most, Math.Max(1, latency.MostSlice / whole.Tokens));
        if (batch.HasInference)
            most = Math.Min(most, Math.Max(1, (long)options.MaxFinetuneTokens * demand.Layers / whole.Tokens));
        else if (whole.LossTokens == 0)
            most = Math.Max(most, 1);
        return (int)Math.Min(whole.Layers, most);
    }

    private static bool IsUseful(int tokens, int left) => tokens > 0 && tokens >= Math.Min(SmallestUseful, left);
}
