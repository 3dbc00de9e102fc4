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

    private bool isDue;

    /// <summary>Sets the batch's finetuning; its inference rows are final.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="demand">Work on offer.</param>
    public void Fill(Batch batch, TrainingDemand demand)
    {
        if (Offers(demand))
            FillBatch(batch, demand);
        batch.IsBeside &= batch.Backward.Tokens > 0;
    }

    /// <summary>Whether there is work that may be taken.</summary>
    public bool Offers(TrainingDemand demand) => options.MaxFinetuneTokens > 0 && demand.Phase != TrainingPhase.Idle && demand.TokensLeft > 0;

    private void FillBatch(Batch batch, TrainingDemand demand)
    {
        batch.TrainingPosition = demand.Position;
        double piece = time.HasShare ? Smallest(batch, demand) : 0;
        // Turns are whole sequences of finetuning.
        double milliseconds = options.Temporal is null ? time.Training(batch, demand.Phase == TrainingPhase.Forward, piece) : double.PositiveInfinity;
        // Nothing may fit although requests are as far ahead as counts: the smallest piece is due, whatever its cost is taken to be, and teaches what it is. The next iterations pay for it.
        // Where finetuning has a share, those before have paid.
        isDue = time.IsAhead(batch) || time.Owes(piece);
        if (demand.Phase == TrainingPhase.Forward)
            FillForward(batch, demand, milliseconds);
        else
            FillBackward(batch, demand, milliseconds);
        if (time.HasShare)
            time.Spend(batch.TrainingForwardTokens > 0 ? latency.WindowIn(batch, batch.TrainingForwardTokens) : latency.SliceIn(batch, batch.Backward));
    }

    // Milliseconds of the least that is worth its fixed cost.
    private double Smallest(Batch batch, TrainingDemand demand)
    {
        int most = Math.Min(demand.TokensLeft, options.MaxFinetuneTokens);
        if (demand.Phase == TrainingPhase.Forward)
            return latency.WindowIn(batch, Math.Min(SmallestUseful, most));
        int losses = demand.OpenTokens == 0 ? most : demand.LossLeft;
        int least = Math.Min(losses, Math.Max(SmallestUseful, latency.Backward(batch.IsBeside).WorthwhileLoss));
        return latency.SliceIn(batch, losses > 0 ? new BackwardSlice(losses, least, 0) : new BackwardSlice(demand.OpenTokens, 0, 1));
    }

    private void FillForward(Batch batch, TrainingDemand demand, double milliseconds)
    {
        int room = Math.Min(demand.TokensLeft, options.MaxBatchTokens - batch.InferenceTokens), most = room;
        if (batch.HasInference)
            most = Math.Min(most, options.MaxFinetuneTokens);
        if (double.IsFinite(milliseconds))
            most = Math.Min(most, Math.Min(latency.MostWindow, latency.WindowTokens(milliseconds, demand.Position)));
        if (!batch.HasInference || isDue)
            most = Math.Max(most, Math.Min(Math.Min(SmallestUseful, options.MaxFinetuneTokens), room));
        batch.TrainingForwardTokens = IsUseful(most, Math.Min(demand.TokensLeft, options.MaxFinetuneTokens)) ? most : 0;
        batch.TrainingWork = batch.TrainingForwardTokens;
    }

    private void FillBackward(Batch batch, TrainingDemand demand, double milliseconds)
    {
        bool begins = demand.OpenTokens == 0;
        int tokens = begins ? WindowOf(batch, demand, milliseconds) : demand.OpenTokens;
        if (begins && !IsUseful(tokens, Math.Min(demand.TokensLeft, options.MaxFinetuneTokens)))
            return;
        var whole = new BackwardSlice(tokens, begins ? tokens : demand.LossLeft, begins ? demand.Steps : demand.StepsLeft);
        var slice = double.IsFinite(milliseconds) || batch.HasInference ? Part(whole, batch, demand, milliseconds) : whole;
        if (slice.Tokens == 0)
            return;
        batch.Backward = slice;
        batch.TrainingWork = BackwardWork * slice.Tokens * slice.Steps / demand.Steps;
    }

    // Wide enough to be worth a step's fixed cost, and not so wide that one step would not fit beside the inference of a busier hour.
    private int WindowOf(Batch batch, TrainingDemand demand, double milliseconds)
    {
        int most = Math.Min(demand.TokensLeft, options.MaxBatchTokens);
        if (batch.HasInference)
            most = Math.Min(most, options.MaxFinetuneTokens);
        if (!double.IsFinite(milliseconds))
            return most;
        most = (int)Math.Min(most, latency.MostSlice);
        int fits = latency.Backward().TokensOfStep(time.StepOfWindow(milliseconds), demand.Position);
        return Math.Min(most, batch.HasInference && !isDue ? fits : Math.Max(fits, SmallestUseful));
    }

    private BackwardSlice Part(BackwardSlice whole, Batch batch, TrainingDemand demand, double milliseconds)
    {
        var costs = latency.Backward(batch.IsBeside);
        int loss = Math.Min(whole.LossTokens, batch.IsBeside ? new BesideCosts(latency, batch).LossTokens(milliseconds) : costs.LossTokens(milliseconds));
        if (!batch.HasInference || isDue)
            loss = Math.Max(loss, Math.Min(SmallestUseful, whole.LossTokens));
        if (!IsUseful(loss, whole.LossTokens) || (batch.HasInference && !isDue && loss < Math.Min(whole.LossTokens, costs.WorthwhileLoss)))
            loss = 0;
        int steps = loss < whole.LossTokens ? 0 : Steps(whole with { LossTokens = loss }, batch, demand, milliseconds);
        return loss == 0 && steps == 0 ? default : new BackwardSlice(whole.Tokens, loss, steps);
    }

    private int Steps(BackwardSlice whole, Batch batch, TrainingDemand demand, double milliseconds)
    {
        double most = batch.IsBeside ? new BesideCosts(latency, batch).Steps(milliseconds, whole) : StepsAlone(whole, demand.Position, milliseconds);
        most = Math.Max(0, most);
        if (double.IsFinite(milliseconds))
            most = Math.Min(most, Math.Max(1, latency.MostSlice / whole.Tokens));
        if (batch.HasInference)
            most = Math.Min(most, Math.Max(1, (long)options.MaxFinetuneTokens * demand.Steps / whole.Tokens));
        if (whole.LossTokens == 0 && (!batch.HasInference || isDue))
            most = Math.Max(most, 1);
        return (int)Math.Min(whole.Steps, most);
    }

    private double StepsAlone(BackwardSlice whole, int end, double milliseconds)
    {
        var costs = latency.Backward();
        double each = costs.Step(whole.Tokens, end);
        return each > 0 ? (milliseconds - costs.Loss(whole.LossTokens)) / each : double.PositiveInfinity;
    }

    private static bool IsUseful(int tokens, int left) => tokens > 0 && tokens >= Math.Min(SmallestUseful, left);
}
