using AiFabric.Engine.Constraints.Automata;

namespace AiFabric.Engine.Constraints;

/// <summary>
/// Computes which tokens fit, by walking the vocabulary's tree with the automaton. What does not depend on a state's callers is computed once
/// for each state: inside strings that is nearly everything. Not thread safe.
/// </summary>
/// <param name="automaton">The grammar's.</param>
/// <param name="trie">The vocabulary's.</param>
internal sealed class MaskWalk(Automaton automaton, TokenTrie trie)
{
    // Some hundred states inside strings for a vocabulary of 150,000 tokens, and any number of others; more are computed again.
    private const long MaxCachedBytes = 8L << 20;

    // Nobody knows the callers: a return ends the walk, and is noted.
    private const int Unknown = CallStacks.Bottom;

    private readonly TokenSet?[] known = new TokenSet?[automaton.StateCount];
    private readonly int[] path = new int[trie.MaxDepth + 1];
    private readonly CallStacks unknownCallers = new();
    private readonly ulong[] scratch = new ulong[(trie.VocabularySize + 63) / 64];
    private readonly List<int> returns = [];
    private long cachedBytes;
    private CallStacks stacks = null!; // Set before every walk.
    private ulong[] found = null!; // Likewise.

    /// <summary>Sets the bit of every token that fits, and clears the others.</summary>
    public void Fill(TokenMatcher matcher, ulong[] bits)
    {
        Array.Clear(bits);
        foreach (var place in matcher.Places)
        {
            var set = Of(place.State);
            set.AddTo(bits);
            if (place.Frame == CallStacks.Bottom)
                continue;
            (stacks, found) = (matcher.Stacks, bits);
            foreach (int node in set.Returns)
                Return(node, place.Frame);
        }
    }

    private TokenSet Of(int state)
    {
        if (known[state] is { } set)
            return set;
        Array.Clear(scratch);
        returns.Clear();
        (stacks, found) = (unknownCallers, scratch);
        Walk(0, state, Unknown);
        set = TokenSet.Of(scratch, returns);
        if (cachedBytes + set.MemoryBytes > MaxCachedBytes)
        {
            Array.Clear(known);
            cachedBytes = 0;
        }
        cachedBytes += set.MemoryBytes;
        return known[state] = set;
    }

    // All that lies below a node, from a state in which its text ends.
    private void Walk(int top, int state, int frame)
    {
        ReadOnlySpan<byte> labels = trie.Labels;
        ReadOnlySpan<int> depths = trie.Depths, ends = trie.Ends;
        path[depths[top]] = state;
        for (int node = top + 1; node < ends[top];)
        {
            int depth = depths[node];
            int next = automaton.Next(path[depth - 1], labels[node]);
            if (next == Automaton.Dead)
            {
                node = ends[node];
                continue;
            }
            foreach (int token in trie.TokensAt(node))
                found[token >> 6] |= 1UL << (token & 63);
            if (node + 1 < ends[node] && !automaton.IsPlain(next))
                Open(node, next, frame);
            path[depth] = next;
            node++;
        }
    }

    private void Open(int node, int state, int frame)
    {
        if (automaton.IsAccepting(state))
            Return(node, frame);
        foreach (var call in automaton.Calls(state))
        {
            var size = stacks.Size;
            int called = stacks.Push();
            stacks.AddEdge(called, call.Return, frame);
            Enter(node, automaton.StartOf(call.Rule), called);
            stacks.CutTo(size);
        }
    }

    private void Return(int node, int frame)
    {
        if (frame == CallStacks.Bottom)
        {
            if (stacks == unknownCallers)
                returns.Add(node);
            return;
        }
        int? edge = null;
        while (stacks.NextEdge(frame, ref edge, out int state, out int caller))
            Enter(node, state, caller);
    }

    // As Walk, where the state itself may already end its rule or call another.
    private void Enter(int node, int state, int frame)
    {
        if (!automaton.IsPlain(state))
            Open(node, state, frame);
        Walk(node, state, frame);
    }
}
