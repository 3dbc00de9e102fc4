using AiFabric.Engine.Constraints.Automata;

namespace AiFabric.Engine.Constraints;

/// <summary>
/// A grammar over a vocabulary: says at every place of an answer which tokens may come. Shared by all answers of the grammar. Made and given to
/// requests on any thread; matchers are advanced, and masks computed, by one thread at a time: the engine's.
/// </summary>
public sealed class TokenConstraint
{
    private readonly MaskWalk walk;
    private readonly ulong[] allowed;

    /// <param name="grammar">What an answer may be.</param>
    /// <param name="trie">The vocabulary's tokens.</param>
    /// <exception cref="GrammarException">The grammar is too large, fits no finite text, or a rule calls itself before any byte.</exception>
    public TokenConstraint(Grammar grammar, TokenTrie trie)
    {
        (Trie, Automaton) = (trie, Determinizer.Compile(grammar));
        walk = new MaskWalk(Automaton, trie);
        allowed = new ulong[(trie.VocabularySize + 63) / 64];
    }

    internal TokenTrie Trie { get; }

    internal Automaton Automaton { get; }

    /// <summary>The beginning of an answer.</summary>
    public TokenMatcher Begin() => new(this);

    internal bool Mask(TokenMatcher matcher, Span<float> logits, IReadOnlyList<int> endTokens)
    {
        walk.Fill(matcher, allowed);
        for (int i = 0; i < endTokens.Count; i++)
        {
            int token = endTokens[i];
            if ((uint)token >= (uint)Trie.VocabularySize)
                continue;
            ulong bit = 1UL << (token & 63);
            allowed[token >> 6] = matcher.IsComplete ? allowed[token >> 6] | bit : allowed[token >> 6] & ~bit;
        }
        return Apply(logits);
    }

    private bool Apply(Span<float> logits)
    {
        bool any = false;
        for (int word = 0; word * 64 < logits.Length; word++)
        {
            ulong bits = word < allowed.Length ? allowed[word] : 0;
            var group = logits.Slice(word * 64, Math.Min(64, logits.Length - (word * 64)));
            any |= bits != 0;
            if (bits == 0)
            {
                group.Fill(float.NegativeInfinity);
                continue;
            }
            for (int i = 0; i < group.Length && bits != ulong.MaxValue; i++)
            {
                if ((bits >> i & 1) == 0)
                    group[i] = float.NegativeInfinity;
            }
        }
        return any;
    }
}
