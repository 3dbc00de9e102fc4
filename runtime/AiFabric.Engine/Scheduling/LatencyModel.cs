using AiFabric.Engine.Training;

namespace AiFabric.Engine.Scheduling;

/// <summary>What a <see cref="LatencyModel"/> knows, to be kept from one start to the next.</summary>
/// <param name="Forward">Weights of a forward pass's terms.</param>
/// <param name="Backward">Weights of a backward slice's terms.</param>
/// <param name="ForwardWindow">The same of a pass with a window of finetuning.</param>
/// <param name="ForwardBeside">The same of a pass beside a slice.</param>
/// <param name="BackwardBeside">The same of a slice beside a pass.</param>
/// <param name="LargestWindow">Tokens of the largest window seen.</param>
/// <param name="LargestSlice">Tokens times steps of the largest slice seen.</param>
/// <param name="Margin">The error of its predictions.</param>
/// <param name="MarginOfWindows">The error with a window in the pass.</param>
/// <param name="MarginBeside">The error where a slice of backward runs beside the pass.</param>
public sealed record LatencyProfile(
    IReadOnlyList<double> Forward, IReadOnlyList<double> ForwardWindow, IReadOnlyList<double> Backward, IReadOnlyList<double> ForwardBeside, IReadOnlyList<double> BackwardBeside,
    int LargestWindow, int LargestSlice, double Margin, double MarginOfWindows, double MarginBeside);

/// <summary>
/// Milliseconds of an iteration, learned online. A forward pass: a + b · decode rows (drafts among them) + c · prompt tokens + d · finetuning tokens
/// + e · pairs of a query and a key; the weights' memory traffic is in a. Backward: <see cref="BackwardCosts"/>. Both twice: for all threads, one after the
/// other, and beside each other on half of them. Passes with a window are apart once more: its arithmetic fills the time in which decode rows wait for memory.
/// </summary>
public sealed class LatencyModel
{
    private const int ObservationsToTrust = 3;

    // The first passes pay for memory and threads that later ones find ready.
    private const int ColdPasses = 2;

    // A line is believed up to twice what was seen.
    private const int Reach = 2;
    private const int FirstWindow = 16;

    // Half of the threads take so much longer. Believed until something ran beside something.
    private const double SlowerBeside = 1.5;

    private readonly UpperQuantile error = Error();
    private readonly UpperQuantile windowError = Error();
    private readonly UpperQuantile besideError = Error();
    private readonly LinearFit forward = ForwardFit();
    private readonly LinearFit forwardWindow = ForwardFit().WithFirstLast();
    private readonly BackwardCosts backward = new();
    private readonly LinearFit forwardBeside = ForwardFit();
    private readonly BackwardCosts backwardBeside = new();
    private int passes;
    private int windows;
    private int slices;
    private bool ranBeside;
    private int largestWindow;
    private long largestSlice;

    /// <summary>Whether passes were seen that say what inference takes.</summary>
    public bool KnowsInference => forward.Count > ObservationsToTrust;

    /// <summary>The factor by which, in one of ten cases, iterations exceed what was predicted: what is planned leaves room for it.</summary>
    public double Margin => error.Value;

    /// <summary>The same for iterations with a finetuning window in the pass.</summary>
    public double MarginOfWindows => windowError.Value;

    /// <summary>The same for iterations with a slice of backward beside the pass.</summary>
    public double MarginBeside => besideError.Value;

    /// <summary>The largest window whose time can be told.</summary>
    public int MostWindow => windows >= ObservationsToTrust ? Math.Max(FirstWindow, Reach * largestWindow) : FirstWindow;

    /// <summary>The most tokens times steps of backward whose time can be told.</summary>
    public long MostSlice => slices >= ObservationsToTrust ? Math.Max(FirstWindow, Reach * largestSlice) : FirstWindow;

    /// <summary>Milliseconds that one more prompt token adds, before what it attends to.</summary>
    public double PerPromptToken(bool beside = false) => Pass(beside)[2];

    /// <summary>Milliseconds that one more finetuning token adds to a forward pass, before what it attends to.</summary>
    public double PerWindowToken => forwardWindow[3];

    /// <summary>Milliseconds of a query beside one key, through all layers.</summary>
    public double PerPair(bool beside = false) => Pass(beside)[4];

    /// <summary>What backward costs on all threads, or beside a pass on half of them.</summary>
    internal BackwardCosts Backward(bool beside = false) => beside ? backwardBeside : backward;

    /// <summary>Milliseconds of a forward pass without finetuning.</summary>
    public double Inference(int decodeRows, int promptTokens, double pairs, bool beside = false) => Pass(beside).Predict([1, decodeRows, promptTokens, 0, pairs]);

    /// <summary>The same of a pass that has a window too, without its tokens.</summary>
    public double InferenceOfWindow(int decodeRows, int promptTokens, double pairs) => forwardWindow.Predict([1, decodeRows, promptTokens, 0, pairs]);

    /// <summary>Milliseconds of a window's tokens in a pass.</summary>
    /// <param name="tokens">Of the window.</param>
    /// <param name="start">Tokens of its sequence before it.</param>
    public double Window(int tokens, int start) => (PerWindowToken * tokens) + (forwardWindow[4] * Pairs(start, tokens));

    /// <summary>Milliseconds by which a window makes an iteration's pass longer.</summary>
    public double WindowIn(Batch batch, int tokens) => Math.Max(0, InferenceOfWindow(batch.DecodeTokens, batch.PromptTokens, batch.Pairs)
        + Window(tokens, batch.TrainingPosition) - Inference(batch.DecodeTokens, batch.PromptTokens, batch.Pairs));

    /// <summary>Milliseconds of a slice of backward in an iteration, beside its pass or after it.</summary>
    public double SliceIn(Batch batch, BackwardSlice slice) =>
        batch.IsBeside ? new BesideCosts(this, batch).Of(slice) : Backward().Of(slice, batch.TrainingPosition);

    /// <summary>The most prompt tokens that fit.</summary>
    /// <param name="milliseconds">For them.</param>
    /// <param name="start">Tokens of their sequence before them.</param>
    /// <param name="beside">Whether beside a slice.</param>
    public int PromptTokens(double milliseconds, int start, bool beside = false) => Fit(milliseconds, PerPromptToken(beside), PerPair(beside), start);

    /// <summary>The most tokens of a window that fit.</summary>
    public int WindowTokens(double milliseconds, int start) => Fit(milliseconds, PerWindowToken, forwardWindow[4], start);

    /// <summary>Which share of a forward pass's time its decode rows add; 0 before anything is known.</summary>
    public double DecodeShare(int decodeRows, int promptTokens, double pairs)
    {
        double all = Inference(decodeRows, promptTokens, pairs);
        return all <= 0 ? 0 : forward[1] * decodeRows / all;
    }

    /// <summary>Pairs of a query and a key of consecutive tokens.</summary>
    public static double Pairs(int start, int tokens) => tokens * (start + (0.5 * (tokens + 1)));

    /// <summary>Milliseconds of an iteration as planned.</summary>
    public double Expected(Batch batch)
    {
        if (batch.TrainingForwardTokens > 0)
            return InferenceOfWindow(batch.DecodeTokens, batch.PromptTokens, batch.Pairs) + Window(batch.TrainingForwardTokens, batch.TrainingPosition);
        double pass = batch.HasInference ? Inference(batch.DecodeTokens, batch.PromptTokens, batch.Pairs, batch.IsBeside) : 0;
        if (batch.Backward.Tokens == 0)
            return pass;
        double slice = SliceIn(batch, batch.Backward);
        return batch.IsBeside ? Math.Max(pass, slice) : pass + slice;
    }

    /// <summary>Learns from an iteration.</summary>
    /// <param name="batch">As planned.</param>
    /// <param name="outcome">What it took.</param>
    public void Observe(Batch batch, BatchOutcome outcome)
    {
        double pass = outcome.ForwardTime.TotalMilliseconds, expected = Expected(batch);
        int window = outcome.TrainingForwardTokens;
        bool warm = pass > 0 && ++passes > ColdPasses;
        if (batch.Backward.Tokens > 0)
            ObserveBackward(batch, outcome);
        if (warm)
            (window > 0 ? forwardWindow : Pass(batch.IsBeside)).Observe([1, batch.DecodeTokens, batch.PromptTokens, window, batch.Pairs + Pairs(batch.TrainingPosition, window)], pass);
        if (warm && window > 0)
            (windows, largestWindow) = (windows + 1, Math.Max(largestWindow, window));
        // Where nobody waits for a token nobody minds the error.
        if (batch.DecodeRows.Count > 0 && passes > ColdPasses + ObservationsToTrust && expected > 0)
            (batch.IsBeside ? besideError : window > 0 ? windowError : error).Observe(outcome.Duration.TotalMilliseconds / expected);
        if (windows == 0)
            forwardWindow.Follow(forward, 1);
        ranBeside |= batch.IsBeside;
        if (!ranBeside)
            forwardBeside.Follow(forward, SlowerBeside);
        backwardBeside.Follow(backward, SlowerBeside);
        // An engine that was never without requests has seen slices only beside passes: alone they take no longer.
        backward.Follow(backwardBeside, 1);
    }

    private void ObserveBackward(Batch batch, BatchOutcome outcome)
    {
        var slice = batch.Backward;
        backwardBeside.Observe(slice.Tokens, batch.TrainingPosition, outcome.Beside);
        backward.Observe(slice.Tokens, batch.TrainingPosition, outcome.Alone);
        ObserveTurned(batch, outcome);
        (slices, largestSlice) = (slices + 1, Math.Max(largestSlice, (long)slice.Steps * slice.Tokens));
    }

    // What of the piece was left when it got all threads is known from its time on them; the rest had half of them, and would have taken so long for all of it.
    private void ObserveTurned(Batch batch, BatchOutcome outcome)
    {
        var piece = batch.Backward with { LossTokens = outcome.Turned.LossTokens, Steps = outcome.Turned.Steps };
        double alone = Backward().Of(piece, batch.TrainingPosition), half = Backward(beside: true).Of(piece, batch.TrainingPosition);
        if (alone <= 0 || half <= 0)
            return;
        var whole = outcome.TurnedAfter + ((outcome.Turned.All - outcome.TurnedAfter) * (half / alone));
        backwardBeside.Observe(piece.Tokens, batch.TrainingPosition, default(SliceTimes).And(piece, whole));
    }

    /// <summary>What is known; null before there is enough.</summary>
    public LatencyProfile? Snapshot() => windows < ObservationsToTrust || slices < ObservationsToTrust
        ? null
        : new LatencyProfile(
            forward.Snapshot(), forwardWindow.Snapshot(), backward.Snapshot(), forwardBeside.Snapshot(), backwardBeside.Snapshot(), largestWindow, (int)largestSlice, Margin, MarginOfWindows, MarginBeside);

    /// <summary>Goes on with what was known before.</summary>
    /// <exception cref="ArgumentException">The profile is another model's.</exception>
    public void Restore(LatencyProfile profile)
    {
        forward.Restore(profile.Forward);
        forwardWindow.Restore(profile.ForwardWindow);
        backward.Restore(profile.Backward);
        forwardBeside.Restore(profile.ForwardBeside);
        backwardBeside.Restore(profile.BackwardBeside);
        (windows, slices, passes, ranBeside) = (ObservationsToTrust, ObservationsToTrust, 0, true);
        (largestWindow, largestSlice) = (profile.LargestWindow, profile.LargestSlice);
        error.Restore(profile.Margin);
        windowError.Restore(profile.MarginOfWindows);
        besideError.Restore(profile.MarginBeside);
    }

    private static UpperQuantile Error() => new(quantile: 0.9, start: 1.1, least: 0.6, most: 3);

    private static LinearFit ForwardFit() => new LinearFit(1, 16, 256, 256, 65_536).WithFirmLast();

    private LinearFit Pass(bool beside) => beside ? forwardBeside : forward;

    // The largest n with n · each + perPair · (n · start + n² / 2) ≤ milliseconds.
    internal static int Fit(double milliseconds, double each, double perPair, int start)
    {
        if (milliseconds <= 0)
            return 0;
        if (double.IsPositiveInfinity(milliseconds))
            return int.MaxValue / 2;
        double linear = Math.Max(each + (perPair * start), 1e-9);
        double tokens = 2 * milliseconds / (linear + Math.Sqrt((linear * linear) + (2 * perPair * milliseconds)));
        return (int)Math.Min(tokens, int.MaxValue / 2);
    }
}
