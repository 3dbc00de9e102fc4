using AiFabric.Engine.Training;

namespace AiFabric.Engine.Scheduling;

/// <summary>
/// How engines without co-serving share a device, for comparisons: after so many iterations of inference one sequence of finetuning, forward and
/// backward, in iterations of its own. Without inference finetuning goes on; a sequence that was begun is finished first.
/// </summary>
/// <param name="Iterations">Iterations of inference between two turns.</param>
/// <param name="IsDynamic">Whether they are as many instead as make up for the last turn, so that the mean time of an iteration meets the TPOT objective.</param>
/// <remarks>Source: the temporal sharing and dynamic temporal sharing that FlexLLM (arXiv 2402.18789) is compared with.</remarks>
public sealed record TemporalSharing(int Iterations, bool IsDynamic = false);

/// <summary>Whose turn it is under <see cref="TemporalSharing"/>.</summary>
internal sealed class TemporalTurns(TemporalSharing? sharing, double? objective)
{
    private const double Blend = 0.1;

    private bool finetuning;
    private bool begun;
    private int iterations;
    private double turn;
    private double inference;

    /// <summary>Whether turns are taken at all.</summary>
    public bool Applies => sharing is not null;

    /// <summary>Whether the next iteration is finetuning's alone.</summary>
    public bool IsFinetuning(TrainingDemand demand, bool hasInference)
    {
        bool atStart = demand is { Phase: TrainingPhase.Forward, Position: 0 };
        if (demand.Phase == TrainingPhase.Idle || (finetuning && begun && atStart))
            (finetuning, begun, iterations) = (false, false, 0);
        if (!finetuning && demand.Phase != TrainingPhase.Idle && (!hasInference || iterations >= Wanted()))
            (finetuning, turn) = (true, 0);
        begun |= finetuning;
        return finetuning;
    }

    /// <summary>Notes an iteration's time.</summary>
    public void Observe(double milliseconds, bool trained)
    {
        if (trained)
        {
            turn += milliseconds;
            return;
        }
        iterations++;
        inference += (inference == 0 ? 1 : Blend) * (milliseconds - inference);
    }

    // n iterations of t and a turn of T take n times the objective o when n = T / (o - t).
    private double Wanted() => sharing is not { IsDynamic: true } ? sharing?.Iterations ?? 0
        : objective > inference ? Math.Max(sharing.Iterations, turn / (objective.Value - inference)) : double.PositiveInfinity;
}
