namespace AiFabric.Engine.Scheduling;

/// <summary>
/// Guesses what follows in one sequence: what followed the last time its newest tokens occurred. Tokens that end alike are chained, as in deflate
/// (RFC 1951, section 4), so that a guess looks at a bounded number of places however long the sequence is; each token is chained once.
/// </summary>
/// <remarks>Source: Saxena, "Prompt Lookup Decoding", 2023; the lengths of n-grams are vLLM's <c>prompt_lookup_min</c> and <c>prompt_lookup_max</c>.</remarks>
internal sealed class PromptLookup
{
    // Of the places that end like the newest tokens, the latest are the likeliest; all the others of a long repetition would cost time.
    private const int MostPlaces = 16;

    // What is thought of a sequence that has not yet been guessed at, and how much one guess changes.
    private const double Prior = 0.7;
    private const double Blend = 0.1;
    private const double Recovery = 0.02;

    private readonly int shortest;
    private readonly int longest;
    private readonly int[] latest; // By hash of the n-gram: where one ended last; 0 for nowhere.
    private int[] earlier; // By place: the place before it in its chain.
    private int chained;

    /// <param name="shortest">Tokens that must have occurred before.</param>
    /// <param name="longest">Tokens compared at most; a longer agreement is not sought.</param>
    /// <param name="capacity">Tokens for which there is room without growing.</param>
    public PromptLookup(int shortest, int longest, int capacity)
    {
        (this.shortest, this.longest, chained) = (shortest, longest, shortest - 1);
        latest = new int[System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(capacity, 16))];
        earlier = new int[capacity + 1];
    }

    /// <summary>How likely a guessed token is right, given that those before it were: what the sequence's own guesses taught.</summary>
    public double Acceptance { get; private set; } = Prior;

    /// <summary>Finds the best earlier occurrence of the newest tokens: the longest, then the latest.</summary>
    /// <param name="tokens">All tokens; since the last call they may only have grown.</param>
    /// <returns>Where the token after that occurrence lies; −1 when there is none.</returns>
    public int Find(ReadOnlySpan<int> tokens)
    {
        Chain(tokens);
        if (tokens.Length <= shortest)
            return -1;
        int place = latest[Hash(tokens[^shortest..])], best = -1, agreed = shortest - 1;
        for (int i = 0; i < MostPlaces && place > 0 && agreed < longest; i++, place = earlier[place])
        {
            int length = Agreement(tokens, place);
            if (length > agreed)
                (best, agreed) = (place, length);
        }
        return best;
    }

    /// <summary>Learns how guesses fared.</summary>
    /// <param name="guessed">Tokens guessed, at least 1.</param>
    /// <param name="accepted">How many of them were right, from the first on.</param>
    public void Learn(int guessed, int accepted)
    {
        for (int i = 0; i < accepted; i++)
            Acceptance += Blend * (1 - Acceptance);
        if (accepted < guessed)
            Acceptance -= Blend * Acceptance;
    }

    /// <summary>Notes that guessing was not worth it: bad luck is forgotten, or the sequence would never be guessed at again.</summary>
    public void Rest() => Acceptance += Recovery * (Prior - Acceptance);

    // The end of the tokens is no earlier occurrence of itself, so it is chained when more have come.
    private void Chain(ReadOnlySpan<int> tokens)
    {
        if (tokens.Length > earlier.Length)
            Array.Resize(ref earlier, Math.Max(tokens.Length, 2 * earlier.Length));
        for (int place = chained + 1; place < tokens.Length; place++)
        {
            ref int last = ref latest[Hash(tokens.Slice(place - shortest, shortest))];
            (earlier[place], last) = (last, place);
        }
        chained = Math.Max(chained, tokens.Length - 1);
    }

    private int Agreement(ReadOnlySpan<int> tokens, int place)
    {
        int length = 0, most = Math.Min(longest, place);
        while (length < most && tokens[place - 1 - length] == tokens[^(length + 1)])
            length++;
        return length;
    }

    private int Hash(ReadOnlySpan<int> ngram)
    {
        uint hash = 2_166_136_261;
        foreach (int token in ngram)
            hash = (hash ^ (uint)token) * 16_777_619;
        return (int)((hash ^ (hash >> 15)) & (uint)(latest.Length - 1));
    }
}
