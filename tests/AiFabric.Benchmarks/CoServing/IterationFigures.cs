using AiFabric.Engine.Scheduling;

namespace AiFabric.Benchmarks.CoServing;

/// <summary>One iteration of an engine.</summary>
/// <param name="EndAt">Seconds since the start to its end.</param>
/// <param name="Milliseconds">What it took.</param>
/// <param name="ExpectedMs">What it was to take, before the margin.</param>
/// <param name="DecodeRows">Requests that got a token.</param>
/// <param name="PromptTokens">Of prompts.</param>
/// <param name="WindowTokens">Finetuning tokens in the pass.</param>
/// <param name="LossTokens">Of backward.</param>
/// <param name="SliceTokens">Tokens of the window whose steps went backward.</param>
/// <param name="Steps">Those steps.</param>
/// <param name="IsBeside">Whether backward ran beside the pass.</param>
/// <param name="Trained">Tokens trained in it: a forward token is a third of one, a backward token two thirds, a part of its steps as much of that.</param>
internal sealed record IterationFigures(
    double EndAt, double Milliseconds, double ExpectedMs, int DecodeRows, int PromptTokens, int WindowTokens, int LossTokens, int SliceTokens, int Steps, bool IsBeside,
    double Trained)
{
    /// <summary>The first line of a file of <see cref="ToString"/>.</summary>
    public const string Header = "endAt,milliseconds,expectedMs,decodeRows,promptTokens,windowTokens,lossTokens,sliceTokens,steps,isBeside,trained";

    /// <summary>Whether finetuning had a part in it.</summary>
    public bool HasFinetuning => WindowTokens + LossTokens + Steps > 0;

    /// <summary>Tokens trained from one time to another, in seconds since the start; those of an iteration come evenly.</summary>
    public static double TrainedBetween(IReadOnlyList<IterationFigures> iterations, double from, double to) => iterations.Sum(iteration =>
    {
        double seconds = iteration.Milliseconds / 1000, begin = iteration.EndAt - seconds;
        return seconds <= 0 ? 0 : iteration.Trained * Math.Max(0, Math.Min(to, iteration.EndAt) - Math.Max(from, begin)) / seconds;
    });

    public static IterationFigures Of(Batch batch, BatchOutcome outcome) => new(
        0, outcome.Duration.TotalMilliseconds, batch.ExpectedMilliseconds, batch.DecodeRows.Count, batch.PromptTokens, outcome.TrainingForwardTokens,
        batch.Backward.LossTokens, batch.Backward.Tokens, batch.Backward.Steps, batch.IsBeside, batch.TrainingWork / 3);

    public override string ToString() =>
        FormattableString.Invariant($"{EndAt:0.0000},{Milliseconds:0.00},{ExpectedMs:0.00},{DecodeRows},{PromptTokens},{WindowTokens},{LossTokens},{SliceTokens},{Steps},{(IsBeside ? 1 : 0)},{Trained:0.00}");
}
