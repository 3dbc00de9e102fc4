using AiFabric.Engine.Training;

namespace AiFabric.Engine.Scheduling;

/// <summary>
/// How much finetuning an iteration carries: everything when nobody waits for tokens, else as many tokens as the latency model says fit
/// below the TPOT objective.
/// </summary>
/// <param name="options">The bounds.</param>
/// <param name="latency">The model, shared with the scheduler that feeds it.</param>
public sealed class TrainingBudget(SchedulerOptions options, LatencyModel latency)
{
    // Below this a window or slice costs mostly its fixed part.
    internal const int SmallestUseful = 16;

    // The model's error and the machine's jitter stay below the objective.
    private const double Headroom = 0.9;

    /// <summary>Sets the batch's finetuning tokens; its inference rows are final.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="demand">Work on offer.</param>
    public void Fill(Batch batch, TrainingDemand demand)
    {
        if (options.MaxFinetuneTokens == 0 || demand.Phase == TrainingPhase.Idle || demand.TokensLeft <= 0)
            return;
        // Without inference a slice of backward may fill the iteration as well.
        int room = options.MaxBatchTokens - (demand.Phase == TrainingPhase.Forward ? batch.InferenceTokens : 0);
        int most = Math.Min(room, demand.TokensLeft);
        if (batch.HasInference)
            most = Math.Min(most, Beside(batch, demand, Math.Min(most, options.MaxFinetuneTokens)));
        if (demand.Phase == TrainingPhase.Forward)
            batch.TrainingForwardTokens = Math.Max(most, 0);
        else
            batch.Backward = new BackwardSlice(Math.Max(most, 0), demand.LayersLeft, demand.OpenTokens == 0);
    }

    private int Beside(Batch batch, TrainingDemand demand, int most)
    {
        if (options.TpotMilliseconds is not { } objective)
            return most;
        bool forward = demand.Phase == TrainingPhase.Forward;
        double inference = latency.Inference(batch.DecodeTokens, batch.PromptTokens);
        double spare = (objective * Headroom) - inference;
        if (options.Policy == CoServingPolicy.WeightedFair)
            spare = Math.Max(spare, inference * options.TrainingShare / (1 - options.TrainingShare));
        if (spare <= 0)
            return 0;
        // Small windows first, to learn what a token costs.
        if (!(forward ? latency.KnowsForward : latency.KnowsBackward))
            return Math.Min(most, SmallestUseful);
        double perToken = Math.Max(forward ? latency.ForwardPerToken : latency.BackwardPerToken, 1e-6);
        int fits = (int)Math.Min(spare / perToken, most);
        return fits < Math.Min(SmallestUseful, demand.TokensLeft) ? 0 : fits;
    }
}
