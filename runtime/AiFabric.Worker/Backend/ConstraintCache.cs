using AiFabric.Engine.Constraints;
using AiFabric.Engine.Tokenization;

namespace AiFabric.Worker.Backend;

/// <summary>The formats that were asked for last, compiled, with the masks that answers needed so far. Thread safe.</summary>
internal sealed class ConstraintCache(HuggingFaceTokenizer tokenizer)
{
    // Each holds up to 24 MB in the worst case: 16 of tables, 8 of masks.
    private const int MaxKept = 16;

    // Sorting a large vocabulary takes a while: only for those who need it.
    private readonly Lazy<TokenTrie> trie = new(() => TokenTrie.Of(tokenizer));
    private readonly Lock gate = new();
    private readonly LinkedList<(string Key, TokenConstraint Constraint)> kept = new();

    /// <summary>The constraint of a key, made when it is not there.</summary>
    /// <param name="key">Equal for equal grammars only.</param>
    /// <param name="read">Makes the grammar.</param>
    /// <exception cref="GrammarException">The grammar cannot be used.</exception>
    public TokenConstraint Get(string key, Func<Grammar> read)
    {
        if (Find(key) is { } known)
            return known;
        // Outside of the lock: others need not wait for a large one, and two that are made at once do no harm.
        var made = new TokenConstraint(read(), trie.Value);
        lock (gate)
        {
            kept.AddFirst((key, made));
            if (kept.Count > MaxKept)
                kept.RemoveLast();
        }
        return made;
    }

    private TokenConstraint? Find(string key)
    {
        lock (gate)
        {
            for (var node = kept.First; node is not null; node = node.Next)
            {
                if (node.Value.Key != key)
                    continue;
                kept.Remove(node);
                kept.AddFirst(node);
                return node.Value.Constraint;
            }
            return null;
        }
    }
}
