namespace AiFabric.Engine.Scheduling;

/// <summary>
/// The time that <see cref="CoServingPolicy.WeightedFair"/> owes finetuning: of each iteration with inference its share, and what it had no use for in those before. One iteration's share
/// may be less than the smallest piece costs: several pay for it.
/// </summary>
/// <param name="share">Of all time, in [0, 1).</param>
internal sealed class FairShare(double share)
{
    /// <summary>Milliseconds that finetuning may take in this iteration, whatever the objectives say.</summary>
    public double Owed { get; private set; }

    /// <summary>Adds an iteration's share. Of those before, what the smallest piece costs is kept at most, or as much as this one: nothing is saved up for a burst.</summary>
    /// <param name="inference">Milliseconds of its inference.</param>
    /// <param name="piece">Milliseconds of the smallest piece on offer.</param>
    public void Add(double inference, double piece)
    {
        double more = inference * share / (1 - share);
        Owed = Math.Min(Owed, Math.Max(piece, more)) + more;
    }

    /// <summary>Whether a piece of so many milliseconds is paid for.</summary>
    public bool Covers(double piece) => Owed > 0 && Owed >= piece;

    /// <summary>Takes off what finetuning takes. What it takes beyond, where objectives leave more, is no debt.</summary>
    public void Spend(double milliseconds) => Owed = Math.Max(0, Owed - milliseconds);
}
