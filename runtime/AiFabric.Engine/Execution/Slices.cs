using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;

namespace AiFabric.Engine.Execution;

/// <summary>Carries a slice of backward out in pieces: its losses, then so many steps at a time.</summary>
/// <param name="training">Whose it is.</param>
/// <param name="slice">The slice.</param>
/// <param name="steps">Steps of a piece at most.</param>
/// <param name="pass">Knows when its device is through.</param>
/// <param name="time">Clock.</param>
/// <param name="between">Called between operations.</param>
internal struct Slices(ITrainingExecutor training, BackwardSlice slice, int steps, IForwardPass pass, TimeProvider time, Action? between = null)
{
    private BackwardSlice left = slice;

    public readonly bool IsDone => left.LossTokens + left.Steps <= 0;

    /// <summary>Tokens whose backward ended.</summary>
    public int Tokens { get; private set; }

    /// <summary>Runs the next piece.</summary>
    /// <returns>What it took.</returns>
    public SliceTimes Next()
    {
        var piece = left.LossTokens > 0 ? left with { Steps = 0 } : left with { Steps = Math.Min(left.Steps, steps) };
        long start = time.GetTimestamp();
        Tokens += training.RunBackward(piece, between);
        pass.Settle();
        var took = time.GetElapsedTime(start);
        left = left with { LossTokens = left.LossTokens - piece.LossTokens, Steps = left.Steps - piece.Steps };
        return default(SliceTimes).And(piece, took);
    }
}
