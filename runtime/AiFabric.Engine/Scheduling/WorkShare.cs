namespace AiFabric.Engine.Scheduling;

/// <summary>What one of several jobs got of the work they share: the job with the least level goes on, so that work follows the weights.</summary>
/// <param name="weight">Jobs of weight 2 get twice the work of jobs of weight 1.</param>
/// <remarks>Source: stride scheduling (Waldspurger and Weihl, MIT/LCS/TM-528, 1995), with work as it was used for a stride.</remarks>
internal sealed class WorkShare(double weight)
{
    /// <summary>Work by weight.</summary>
    public double Level { get; private set; }

    /// <summary>Notes work that was done.</summary>
    public void Charge(double work) => Level += work / weight;

    /// <summary>A job that had no work for a while saved nothing up.</summary>
    public void CatchUp(double level) => Level = Math.Max(Level, level);
}
