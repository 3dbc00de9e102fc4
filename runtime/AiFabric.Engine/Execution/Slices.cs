using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;

namespace AiFabric.Engine.Execution;

/// <summary>Carries a slice of backward out in pieces: its losses, then so many layers at a time.</summary>
/// <param name="training">Whose it is.</param>
/// <param name="slice">The slice.</param>
/// <param name="layers">Layers of a piece at most.</param>
/// <param name="pass">Knows when its device is through.</param>
/// <param name="time">Clock.</param>
internal struct Slices(ITrainingExecutor training, BackwardSlice slice, int layers, IForwardPass pass, TimeProvider time)
{
    private BackwardSlice left = slice;

    public readonly bool IsDone => left.LossTokens + left.Layers <= 0;

    /// <summary>Tokens whose backward ended.</summary>
    public int Tokens { get; private set; }

    /// <summary>Runs the next piece.</summary>
    /// <param name="times">Gets what it took.</param>
    public void Next(ref SliceTimes times)
    {
        var piece = left.LossTokens > 0 ? left with { Layers = 0 } : left with { Layers = Math.Min(left.Layers, layers) };
        long start = time.GetTimestamp();
        Tokens += training.RunBackward(piece);
        pass.Settle();
        times = times.And(piece, time.GetElapsedTime(start));
        left = left with { LossTokens = left.LossTokens - piece.LossTokens, Layers = left.Layers - piece.Layers };
    }
}
