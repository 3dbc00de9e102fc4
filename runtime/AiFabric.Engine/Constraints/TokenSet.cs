namespace AiFabric.Engine.Constraints;

/// <summary>What may follow in one state of an automaton, whoever called its rule.</summary>
/// <param name="few">The tokens, where they are few; else null.</param>
/// <param name="many">A bit for each token of the vocabulary, where they are many; else null.</param>
/// <param name="returns">Nodes of the vocabulary's tree at which the rule may have ended: what follows below them is for the caller to say.</param>
internal sealed class TokenSet(int[]? few, ulong[]? many, int[] returns)
{
    // Below this share of the vocabulary a list takes less memory than bits.
    private const int ListShare = 32;

    public ReadOnlySpan<int> Returns => returns;

    public long MemoryBytes => (4L * (few?.Length ?? 0)) + (8L * (many?.Length ?? 0)) + (4L * returns.Length);

    /// <summary>Takes over what a walk found.</summary>
    public static TokenSet Of(ReadOnlySpan<ulong> bits, IReadOnlyCollection<int> returns)
    {
        int count = 0;
        foreach (ulong word in bits)
            count += System.Numerics.BitOperations.PopCount(word);
        if (count > bits.Length * 64 / ListShare)
            return new TokenSet(null, bits.ToArray(), [.. returns]);
        var list = new List<int>(count);
        for (int word = 0; word < bits.Length; word++)
        {
            for (ulong rest = bits[word]; rest != 0; rest &= rest - 1)
                list.Add((word * 64) + System.Numerics.BitOperations.TrailingZeroCount(rest));
        }
        return new TokenSet([.. list], null, [.. returns]);
    }

    public void AddTo(Span<ulong> bits)
    {
        if (many is not null)
        {
            for (int word = 0; word < many.Length; word++)
                bits[word] |= many[word];
            return;
        }
        foreach (int token in few.AsSpan())
            bits[token >> 6] |= 1UL << (token & 63);
    }
}
