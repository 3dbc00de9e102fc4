namespace AiFabric.Engine.Constraints.Automata;

/// <summary>A way from one state to another: over one byte of a range, over a called rule, or over nothing.</summary>
/// <param name="To">State.</param>
/// <param name="First">First byte; meaningless without <see cref="IsBytes"/>.</param>
/// <param name="Last">Last byte.</param>
/// <param name="Rule">The called rule's number, <see cref="ByBytes"/> or <see cref="ByNothing"/>.</param>
internal readonly record struct NfaEdge(int To, byte First, byte Last, int Rule)
{
    public const int ByBytes = -1;
    public const int ByNothing = -2;

    public bool IsBytes => Rule == ByBytes;

    public bool IsCall => Rule >= 0;
}

/// <summary>The nondeterministic automaton of one rule, by Thompson's construction (CACM 11(6), 1968).</summary>
internal sealed class Nfa
{
    private const int MaxStates = 250_000;

    private readonly List<List<NfaEdge>> edges = [];
    private readonly RuleFacts facts;
    private readonly IReadOnlyDictionary<string, int> ruleNumbers;

    /// <param name="pattern">What the rule stands for.</param>
    /// <param name="facts">Of the grammar.</param>
    /// <param name="ruleNumbers">By name.</param>
    /// <exception cref="GrammarException">It is too large.</exception>
    public Nfa(Pattern pattern, RuleFacts facts, IReadOnlyDictionary<string, int> ruleNumbers)
    {
        (this.facts, this.ruleNumbers) = (facts, ruleNumbers);
        // Nothing leads back to the first state, so that it alone stands for "no byte yet".
        Start = NewState();
        End = Build(pattern, Start);
        Live = ReachEnd();
    }

    public int Start { get; }

    public int End { get; }

    /// <summary>By state: whether the end can be reached from it.</summary>
    public bool[] Live { get; }

    public IReadOnlyList<NfaEdge> From(int state) => edges[state];

    public IEnumerable<NfaEdge> Edges => edges.SelectMany(e => e);

    private int Build(Pattern pattern, int from) => pattern switch
    {
        Pattern.Literal literal => OfBytes(literal.Value, from),
        Pattern.ByteRange range => Over(from, NewState(), range.First, range.Last),
        Pattern.InOrder all => all.Each.Aggregate(from, (at, part) => Build(part, at)),
        Pattern.OneOf any => OfChoice(any, from),
        Pattern.Repeated repeated => OfRepeated(repeated, from),
        Pattern.Separated list => OfSeparated(list, from),
        Pattern.Lacking lacking => OfLacking(lacking.Mark, from),
        Pattern.Call call => OfCall(call, from),
        _ => throw new ArgumentException($"{pattern.GetType().Name} is no known pattern.", nameof(pattern)),
    };

    private int OfBytes(byte[] bytes, int from)
    {
        foreach (byte b in bytes)
            from = Over(from, NewState(), b, b);
        return from;
    }

    private int OfChoice(Pattern.OneOf any, int from)
    {
        int end = NewState();
        foreach (var part in any.Each)
            Skip(Build(part, Fork(from)), end);
        return end;
    }

    private int OfRepeated(Pattern.Repeated repeated, int from)
    {
        for (int i = 0; i < repeated.Min; i++)
            from = Build(repeated.Part, from);
        int end = NewState();
        if (repeated.Max is not { } max)
        {
            int loop = Fork(from);
            Skip(Build(repeated.Part, loop), loop);
            Skip(loop, end);
            return end;
        }
        for (int i = repeated.Min; i < max; i++)
        {
            Skip(from, end);
            from = Build(repeated.Part, Fork(from));
        }
        Skip(from, end);
        return end;
    }

    // Two tracks: before the first item that is there, and after.
    private int OfSeparated(Pattern.Separated list, int from)
    {
        int none = Fork(from), some = NewState();
        foreach (var (item, optional) in list.Items)
        {
            int nextNone = NewState(), nextSome = NewState();
            Skip(Build(item, Fork(none)), nextSome);
            Skip(Build(item, Build(list.Separator, Fork(some))), nextSome);
            if (optional)
            {
                Skip(none, nextNone);
                Skip(some, nextSome);
            }
            (none, some) = (nextNone, nextSome);
        }
        if (list.Extra is { } extra)
        {
            int more = Fork(some);
            Skip(Build(extra, Fork(none)), more);
            Skip(Build(extra, Build(list.Separator, Fork(more))), more);
            some = more;
        }
        int end = NewState();
        Skip(none, end);
        Skip(some, end);
        return end;
    }

    // Knuth, Morris and Pratt's automaton: a state for each length of the mark's beginning that the text ends in.
    private int OfLacking(byte[] mark, int from)
    {
        int[] states = [.. mark.Select(_ => NewState())];
        int end = NewState();
        Skip(from, states[0]);
        for (int length = 0; length < mark.Length; length++)
        {
            Skip(states[length], end);
            for (int b = 0; b < TokenTrie.MarkByte; b++)
            {
                if (Matched(mark, length, (byte)b) is var next && next < mark.Length)
                    Over(states[length], states[next], (byte)b, (byte)b);
            }
        }
        return end;
    }

    private static int Matched(byte[] mark, int length, byte next)
    {
        byte[] text = [.. mark.AsSpan(0, length), next];
        int longest = Math.Min(text.Length, mark.Length);
        while (!text.AsSpan(text.Length - longest).SequenceEqual(mark.AsSpan(0, longest)))
            longest--;
        return longest;
    }

    private int OfCall(Pattern.Call call, int from)
    {
        int end = NewState();
        if (facts.CanEnd(call))
            edges[from].Add(new NfaEdge(end, 0, 0, ruleNumbers[call.Name]));
        if (facts.CanBeEmpty(call))
            Skip(from, end);
        return end;
    }

    private int Over(int from, int to, byte first, byte last)
    {
        edges[from].Add(new NfaEdge(to, first, last, NfaEdge.ByBytes));
        return to;
    }

    private int Fork(int from)
    {
        int state = NewState();
        Skip(from, state);
        return state;
    }

    private void Skip(int from, int to) => edges[from].Add(new NfaEdge(to, 0, 0, NfaEdge.ByNothing));

    private int NewState()
    {
        if (edges.Count >= MaxStates)
            throw new GrammarException("", "is too large. Lower its bounds ('maxLength', 'maxItems', counts in patterns) or split it.");
        edges.Add([]);
        return edges.Count - 1;
    }

    private bool[] ReachEnd()
    {
        var back = new List<int>[edges.Count];
        for (int state = 0; state < edges.Count; state++)
        {
            foreach (var edge in edges[state])
                (back[edge.To] ??= []).Add(state);
        }
        var live = new bool[edges.Count];
        var open = new Stack<int>([End]);
        while (open.TryPop(out int state))
        {
            if (live[state])
                continue;
            live[state] = true;
            foreach (int before in back[state] ?? [])
                open.Push(before);
        }
        return live;
    }
}
