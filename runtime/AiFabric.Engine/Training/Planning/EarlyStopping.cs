namespace AiFabric.Engine.Training.Planning;

/// <summary>When a job ends before its last step.</summary>
/// <param name="Patience">Evaluations in a row without a better held-out loss after which it ends, at least 1.</param>
/// <param name="MinDelta">By how much a loss must be lower to count as better, 0 or more.</param>
public sealed record EarlyStopping(int Patience, double MinDelta = 0);

/// <summary>The best evaluation so far. Immutable.</summary>
/// <param name="Step">Optimizer steps done by then.</param>
/// <param name="Loss">Its held-out loss.</param>
/// <param name="Stale">Evaluations since that were not better.</param>
public sealed record BestEvaluation(int Step, double Loss, int Stale = 0)
{
    /// <summary>Takes an evaluation in.</summary>
    public static BestEvaluation After(BestEvaluation? best, int step, double loss, double minDelta) =>
        best is null || loss < best.Loss - minDelta ? new BestEvaluation(step, loss) : best with { Stale = best.Stale + 1 };
}
