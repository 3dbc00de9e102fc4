namespace AiFabric.Engine.Training.Data;

/// <summary>One sequence as the model sees it: at position i it reads <c>Inputs[i]</c> and, where <c>Learned[i]</c>, should predict <c>Targets[i]</c>.</summary>
/// <param name="Inputs">[n] token ids.</param>
/// <param name="Targets">[n] the token that follows each input.</param>
/// <param name="Learned">[n] whether the position counts in the loss; the last one always does.</param>
public sealed record TrainingSample(long[] Inputs, long[] Targets, bool[] Learned)
{
    /// <summary>Positions, n.</summary>
    public int Count => Inputs.Length;

    /// <summary>Positions that count in the loss, at least 1.</summary>
    public int LossTokens { get; } = Learned.Count(learned => learned);

    /// <summary>Shifts a token list into inputs and targets and drops what follows the last learned token.</summary>
    /// <param name="tokens">Token ids.</param>
    /// <param name="learned">Whether the model shall learn to write each.</param>
    /// <returns>The sample, or null when no token after the first is learned.</returns>
    public static TrainingSample? From(ReadOnlySpan<int> tokens, ReadOnlySpan<bool> learned)
    {
        int last = learned.LastIndexOf(true);
        if (last < 1)
            return null;
        var inputs = new long[last];
        var targets = new long[last];
        for (int i = 0; i < last; i++)
            (inputs[i], targets[i]) = (tokens[i], tokens[i + 1]);
        return new TrainingSample(inputs, targets, learned.Slice(1, last).ToArray());
    }
}
