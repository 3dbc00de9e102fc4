using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;

namespace AiFabric.Tests.Scheduling;

/// <summary>A cost that rises with a number: milliseconds.</summary>
internal readonly record struct Line(double Fixed, double Each)
{
    public double Of(double count) => count == 0 ? 0 : Fixed + (Each * count);
}

/// <summary>What a machine's threads take for a pass and for a slice of backward, in milliseconds.</summary>
/// <param name="Pass">Reading the weights.</param>
/// <param name="PerRow">A decode row.</param>
/// <param name="PerPromptToken">A prompt token.</param>
/// <param name="PerWindowToken">A finetuning token in the pass.</param>
/// <param name="PerPair">A query beside a key.</param>
/// <param name="Loss">The loss of so many tokens, with its gradient.</param>
/// <param name="Step">A step of backward, half a layer, over so many tokens.</param>
internal sealed record ThreadCosts(double Pass, double PerRow, double PerPromptToken, double PerWindowToken, double PerPair, Line Loss, Line Step)
{
    public double PassOf(Batch batch)
    {
        double pairs = batch.Pairs + LatencyModel.Pairs(batch.TrainingPosition, batch.TrainingForwardTokens);
        return Pass + (PerRow * batch.DecodeTokens) + (PerPromptToken * batch.PromptTokens) + (PerWindowToken * batch.TrainingForwardTokens) + (PerPair * pairs);
    }

    public double Of(BackwardSlice piece) => Loss.Of(piece.LossTokens) + (piece.Steps * Step.Of(piece.Tokens));
}

/// <summary>A machine's costs with all of its threads, and with half of them where the other half runs something else.</summary>
/// <param name="All">Of all threads.</param>
/// <param name="Half">Of half of them; null where nothing runs beside a pass.</param>
internal sealed record MachineCosts(ThreadCosts All, ThreadCosts? Half = null)
{
    private static readonly ThreadCosts Simple = new(12, 0.9, 0.45, 0.45, 0.0004, new(0.5, 0.3), new(1.2, 0.08));

    /// <summary>Of no machine in particular.</summary>
    public static MachineCosts Plain { get; } = new(Simple);

    /// <summary>The same, where half of the threads take nearly twice as long for a pass, but not for a slice: its many small steps keep two threads waiting.</summary>
    public static MachineCosts PlainBeside { get; } = Plain with
    {
        Half = new ThreadCosts(1.8 * 12, 1.8 * 0.9, 1.8 * 0.45, 0, 1.8 * 0.0004, new(1.4 * 0.5, 1.4 * 0.3), new(1.4 * 1.2, 1.4 * 0.08)),
    };

    /// <summary>Two cores of an AMD EPYC (Zen 4) and random-100m in fp32, as measured: docs/design/0015-an-iteration-is-divided-by-its-time.md.</summary>
    public static MachineCosts TwoCores { get; } = new(
        new ThreadCosts(13, 1.4, 0.82, 1.0, 0.0004, new(8, 1.0), new(6, 0.1125)),
        new ThreadCosts(22, 2.2, 1.55, 0, 0.0008, new(10, 1.75), new(4.5, 0.175)));

    /// <summary>A GPU: a pass is mostly the reading of the weights, so that hundreds of tokens more cost little, and nothing runs beside it.</summary>
    public static MachineCosts Gpu { get; } = new(new ThreadCosts(10, 0.02, 0.02, 0.02, 0.00001, new(1, 0.02), new(0.3, 0.0008)));
}
