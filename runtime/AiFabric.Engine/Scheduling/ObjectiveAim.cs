using AiFabric.Engine.Requests;

namespace AiFabric.Engine.Scheduling;

/// <summary>
/// The share of the TPOT objective that is planned for, so that all but three of a hundred requests keep it: less after a request that missed it because of
/// finetuning, more after one that kept it. What a plan cannot know (short answers, prompts that had to hurry, a machine that others use too) is in it.
/// </summary>
/// <param name="objective">Milliseconds; null without one.</param>
/// <remarks>Source: stochastic approximation (Robbins and Monro 1951) of the share at which requests miss the objective with a probability of 0.03.</remarks>
internal sealed class ObjectiveAim(double? objective)
{
    private const double Step = 0.05;
    private const double Missing = 0.03;
    private const double Least = 0.5;
    private const double Most = 1;

    /// <summary>Between a half and 1.</summary>
    public double Share { get; private set; } = 0.95;

    /// <summary>Goes on from a share that was kept.</summary>
    public void Restore(double share) => Share = Math.Clamp(share, Least, Most);

    /// <summary>Learns from an iteration, whose tokens the requests have, and from those that ended with it.</summary>
    /// <param name="done">The iteration.</param>
    /// <param name="milliseconds">What it took.</param>
    /// <param name="inference">What it would have taken without finetuning, by what is known of costs.</param>
    public void Observe(Batch done, double milliseconds, double inference)
    {
        double alone = done.HasTraining ? Math.Min(milliseconds, inference) : milliseconds;
        foreach (var row in done.DecodeRows)
        {
            if (row.Sequence is not { } sequence)
                continue;
            sequence.DecodeMilliseconds += milliseconds;
            sequence.AloneMilliseconds += alone;
            if (sequence is { Finish: FinishReason.Stop or FinishReason.Length, OutputCount: > 1 })
                Observe(sequence.DecodeMilliseconds / (sequence.OutputCount - 1), sequence.AloneMilliseconds / (sequence.OutputCount - 1));
        }
    }

    /// <summary>Learns from a request that has ended.</summary>
    /// <param name="milliseconds">Its mean time per token.</param>
    /// <param name="alone">What it would have been without finetuning.</param>
    public void Observe(double milliseconds, double alone)
    {
        // Less finetuning would not have helped who misses it anyway.
        if (milliseconds > objective && alone <= objective)
            Share = Math.Max(Least, Share - (Step * (1 - Missing)));
        else if (milliseconds <= objective)
            Share = Math.Min(Most, Share + (Step * Missing));
    }
}
