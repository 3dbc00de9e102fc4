using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;

namespace AiFabric.Tests.Scheduling;

/// <summary>A finetuning job without tensors: sequences of equal length go forward in windows and backward in slices, again and again.</summary>
internal sealed class ScriptedJob(int sequence, int steps)
{
    private int position;
    private bool backward;
    private int open;
    private int lossLeft;
    private int stepsLeft;

    /// <summary>Tokens that went forward.</summary>
    public long Forward { get; private set; }

    /// <summary>Tokens whose backward ended.</summary>
    public long Trained { get; private set; }

    public TrainingDemand Demand => backward
        ? new TrainingDemand(TrainingPhase.Backward, position) { Position = position, Steps = steps, OpenTokens = open, LossLeft = lossLeft, StepsLeft = stepsLeft }
        : new TrainingDemand(TrainingPhase.Forward, sequence - position) { Position = position };

    /// <summary>Carries out what a batch holds, with the checks of a real session.</summary>
    /// <returns>Tokens of backward that ended.</returns>
    public int Run(Batch batch)
    {
        if (batch.TrainingForwardTokens > 0)
            GoForward(batch.TrainingForwardTokens);
        return batch.Backward.Tokens > 0 ? GoBackward(batch.Backward) : 0;
    }

    private void GoForward(int tokens)
    {
        if (backward || tokens > sequence - position)
            throw new InvalidOperationException($"A window of {tokens} tokens at {position}.");
        (position, Forward) = (position + tokens, Forward + tokens);
        backward = position == sequence;
    }

    private int GoBackward(BackwardSlice slice)
    {
        if (!backward || slice.Tokens > position || (open != 0 && slice.Tokens != open))
            throw new InvalidOperationException($"{slice} at {position} with {open} open.");
        if (open == 0)
            (open, lossLeft, stepsLeft) = (slice.Tokens, slice.Tokens, steps);
        if (slice.LossTokens > lossLeft || slice.Steps > stepsLeft || (slice.Steps > 0 && slice.LossTokens < lossLeft) || slice.LossTokens + slice.Steps == 0)
            throw new InvalidOperationException($"{slice} with {lossLeft} losses and {stepsLeft} steps left.");
        (lossLeft, stepsLeft) = (lossLeft - slice.LossTokens, stepsLeft - slice.Steps);
        if (stepsLeft > 0)
            return 0;
        int done = open;
        (position, open, Trained) = (position - done, 0, Trained + done);
        backward = position > 0;
        return done;
    }
}
