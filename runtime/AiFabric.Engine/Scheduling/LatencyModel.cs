using AiFabric.Engine.Training;

namespace AiFabric.Engine.Scheduling;

/// <summary>What a <see cref="LatencyModel"/> knows, to be kept from one start to the next.</summary>
/// <param name="Forward">Weights of a forward pass's terms.</param>
/// <param name="Backward">Weights of a backward slice's terms.</param>
/// <param name="LargestWindow">Tokens of the largest window seen.</param>
/// <param name="LargestSlice">Tokens times layers of the largest slice seen.</param>
/// <param name="Margin">The error of its predictions.</param>
/// <param name="MarginBeside">The error where a slice of backward is in the iteration.</param>
public sealed record LatencyProfile(
    IReadOnlyList<double> Forward, IReadOnlyList<double> Backward, int LargestWindow, int LargestSlice, double Margin, double MarginBeside);

/// <summary>
/// Milliseconds of an iteration, learned online. A forward pass: a + b · decode rows (drafts among them) + c · prompt tokens + d · finetuning tokens
/// + e · pairs of a query and a key. A slice of backward: f, and g for a loss in it, + h · tokens of the loss + i · layers + j · layers · tokens
/// + k · layers · pairs.
/// </summary>
/// <remarks>
/// The weights' memory traffic is in a, g and i, so that a window beside decode rows costs less than alone, and a wide slice less than narrow ones.
/// </remarks>
public sealed class LatencyModel
{
    private const int ObservationsToTrust = 3;

    // The first passes pay for memory and threads that later ones find ready.
    private const int ColdPasses = 2;

    // A line is believed up to twice what was seen.
    private const int Reach = 2;
    private const int FirstWindow = 16;
    private const int EnoughSlices = 50;

    // One in ten iterations may take longer than planned: what a request gets is a mean over many.
    private readonly UpperQuantile error = new(quantile: 0.9, start: 1.1, least: 1, most: 3);
    private readonly UpperQuantile besideError = new(quantile: 0.9, start: 1.1, least: 0.5, most: 3);
    private readonly LinearFit forward = new(1, 16, 256, 256, 65_536);
    private readonly LinearFit backward = new(1, 1, 64, 4, 1_024, 262_144);
    private int passes;
    private int windows;
    private int slices;
    private int largestWindow;
    private long largestSlice;

    /// <summary>Whether passes were seen that say what inference takes.</summary>
    public bool KnowsInference => forward.Count > ObservationsToTrust;

    /// <summary>The factor by which one in ten iterations exceeds its prediction: what is planned leaves room for it.</summary>
    public double Margin => error.Value;

    /// <summary>The same for iterations with a slice of backward. Below 1 where the two run at the same time and gain from it.</summary>
    public double MarginBeside => besideError.Value;

    /// <summary>The largest window whose time can be told.</summary>
    public int MostWindow => windows >= ObservationsToTrust ? Math.Max(FirstWindow, Reach * largestWindow) : FirstWindow;

    /// <summary>The most tokens times layers of backward whose time can be told.</summary>
    public long MostSlice => slices >= ObservationsToTrust ? Math.Max(FirstWindow, Reach * largestSlice) : FirstWindow;

    /// <summary>Milliseconds that one more prompt token adds, before what it attends to.</summary>
    public double PerPromptToken => forward[2];

    /// <summary>Milliseconds that one more finetuning token adds to a forward pass, before what it attends to.</summary>
    public double PerWindowToken => forward[3];

    /// <summary>Milliseconds of a query beside one key, through all layers.</summary>
    public double PerPair => forward[4];

    /// <summary>Milliseconds of a slice before it has done anything.</summary>
    public double SliceStart => backward[0];

    /// <summary>Milliseconds of the loss of so many tokens and its gradient.</summary>
    public double Loss(int tokens) => tokens == 0 ? 0 : backward[1] + (backward[2] * tokens);

    /// <summary>The most tokens whose loss fits.</summary>
    public int LossTokens(double milliseconds) => Fit(milliseconds - backward[1], backward[2], 0, 0);

    /// <summary>Milliseconds of a forward pass without finetuning.</summary>
    public double Inference(int decodeRows, int promptTokens, double pairs) => forward.Predict([1, decodeRows, promptTokens, 0, pairs]);

    /// <summary>Milliseconds of a window's tokens in a pass.</summary>
    /// <param name="tokens">Of the window.</param>
    /// <param name="start">Tokens of its sequence before it.</param>
    public double Window(int tokens, int start) => (PerWindowToken * tokens) + (PerPair * Pairs(start, tokens));

    /// <summary>Milliseconds of backward of one layer over a window.</summary>
    /// <param name="tokens">Of the window.</param>
    /// <param name="end">Position behind its last token.</param>
    public double Layer(int tokens, int end) => backward[3] + (backward[4] * tokens) + (backward[5] * Pairs(end - tokens, tokens));

    /// <summary>The most tokens of a window whose backward of one layer fits.</summary>
    public int TokensOfLayer(double milliseconds, int end) =>
        Fit(milliseconds - backward[3], backward[4] + (backward[5] * end), 0, 0);

    /// <summary>Milliseconds of a slice of backward.</summary>
    public double Backward(BackwardSlice slice, int end) => SliceStart + Loss(slice.LossTokens) + (slice.Layers * Layer(slice.Tokens, end));

    /// <summary>The most prompt tokens that fit.</summary>
    /// <param name="milliseconds">For them.</param>
    /// <param name="start">Tokens of their sequence before them.</param>
    public int PromptTokens(double milliseconds, int start) => Fit(milliseconds, PerPromptToken, PerPair, start);

    /// <summary>The most tokens of a window that fit.</summary>
    public int WindowTokens(double milliseconds, int start) => Fit(milliseconds, PerWindowToken, PerPair, start);

    /// <summary>Which share of a forward pass's time its decode rows add; 0 before anything is known.</summary>
    public double DecodeShare(int decodeRows, int promptTokens, double pairs)
    {
        double all = Inference(decodeRows, promptTokens, pairs);
        return all <= 0 ? 0 : forward[1] * decodeRows / all;
    }

    /// <summary>Pairs of a query and a key of consecutive tokens.</summary>
    public static double Pairs(int start, int tokens) => tokens * (start + (0.5 * (tokens + 1)));

    /// <summary>Learns from an iteration.</summary>
    /// <param name="batch">As planned.</param>
    /// <param name="outcome">What it took.</param>
    public void Observe(Batch batch, BatchOutcome outcome)
    {
        (double pass, double rest) = (outcome.ForwardTime.TotalMilliseconds, outcome.BackwardTime.TotalMilliseconds);
        int window = outcome.TrainingForwardTokens;
        double pairs = batch.Pairs + Pairs(batch.TrainingPosition, window);
        ReadOnlySpan<double> terms = [1, batch.DecodeTokens, batch.PromptTokens, window, pairs];
        double expected = pass > 0 ? forward.Predict(terms) : 0;
        bool warm = pass > 0 && ++passes > ColdPasses;
        if (batch.Backward.Tokens > 0)
        {
            double slice = Backward(batch.Backward, batch.TrainingPosition);
            // Together neither's own time is known; a slice's must be guessed as long as there is nothing better.
            if (!outcome.IsTogether)
                ObserveBackward(batch, rest);
            else if (backward.Count < EnoughSlices)
                ObserveBackward(batch, Math.Max(0.1 * pass, pass - expected));
            expected += slice;
        }
        if (warm && !outcome.IsTogether)
            forward.Observe(terms, pass);
        if (warm && window > 0)
            (windows, largestWindow) = (windows + 1, Math.Max(largestWindow, window));
        // Where nobody waits for a token nobody minds the error.
        if (batch.DecodeRows.Count > 0 && passes > ColdPasses + ObservationsToTrust && expected > 0)
            (batch.Backward.Tokens > 0 ? besideError : error).Observe((pass + rest) / expected);
    }

    private void ObserveBackward(Batch batch, double milliseconds)
    {
        var slice = batch.Backward;
        double tokens = (double)slice.Layers * slice.Tokens;
        double attended = slice.Layers * Pairs(batch.TrainingPosition - slice.Tokens, slice.Tokens);
        backward.Observe([1, slice.LossTokens > 0 ? 1 : 0, slice.LossTokens, slice.Layers, tokens, attended], milliseconds);
        (slices, largestSlice) = (slices + 1, Math.Max(largestSlice, (long)slice.Layers * slice.Tokens));
    }

    /// <summary>What is known; null before there is enough.</summary>
    public LatencyProfile? Snapshot() => windows < ObservationsToTrust || slices < ObservationsToTrust
        ? null
        : new LatencyProfile(forward.Snapshot(), backward.Snapshot(), largestWindow, (int)largestSlice, Margin, MarginBeside);

    /// <summary>Goes on with what was known before.</summary>
    /// <exception cref="ArgumentException">The profile is another model's.</exception>
    public void Restore(LatencyProfile profile)
    {
        forward.Restore(profile.Forward);
        backward.Restore(profile.Backward);
        (windows, slices, passes) = (ObservationsToTrust, ObservationsToTrust, 0);
        (largestWindow, largestSlice) = (profile.LargestWindow, profile.LargestSlice);
        error.Restore(profile.Margin);
        besideError.Restore(profile.MarginBeside);
    }

    // The largest n with n · each + perPair · (n · start + n² / 2) ≤ milliseconds.
    private static int Fit(double milliseconds, double each, double perPair, int start)
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
