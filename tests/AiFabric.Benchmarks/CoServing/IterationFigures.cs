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
internal sealed record IterationFigures(
    double EndAt, double Milliseconds, double ExpectedMs, int DecodeRows, int PromptTokens, int WindowTokens, int LossTokens, int SliceTokens, int Steps, bool IsBeside)
{
    /// <summary>The first line of a file of <see cref="ToString"/>.</summary>
    public const string Header = "endAt,milliseconds,expectedMs,decodeRows,promptTokens,windowTokens,lossTokens,sliceTokens,steps,isBeside";

    /// <summary>Whether finetuning had a part in it.</summary>
    public bool HasFinetuning => WindowTokens + LossTokens + Steps > 0;

    public static IterationFigures Of(Batch batch, BatchOutcome outcome) => new(
        0, outcome.Duration.TotalMilliseconds, batch.ExpectedMilliseconds, batch.DecodeRows.Count, batch.PromptTokens, outcome.TrainingForwardTokens,
        batch.Backward.LossTokens, batch.Backward.Tokens, batch.Backward.Steps, batch.IsBeside);

    public override string ToString() =>
        FormattableString.Invariant($"{EndAt:0.0000},{Milliseconds:0.00},{ExpectedMs:0.00},{DecodeRows},{PromptTokens},{WindowTokens},{LossTokens},{SliceTokens},{Steps},{(IsBeside ? 1 : 0)}");
}
