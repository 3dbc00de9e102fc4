using System.Text;
using AiFabric.Engine.Constraints;

namespace AiFabric.Tests.Constraints;

/// <summary>Every byte, pieces of JSON that cross its structure, words, halves of characters; the last id ends an answer.</summary>
internal static class TestVocabulary
{
    private static readonly string[] Pieces =
    [
        "{\"", "\":", "\": ", "\",", "\", \"", "\"}", "\"]", "]}", "}}", "}]", "[[", "[]", "{}", "[{\"", "},{\"", "\":\"", "\\\"", "\\u00", "\\ud83d", "true", "false", "null", "12", "00", "0.",
        "e+", "-1", "1e9", " ", "  ", "\n", "\n  ", "a", "name", "value", " the", "the quick", "é", "世界", "😀", "2024", "-02-29", "T12:", "@", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\"\"", ", ", ",\"",
        "kind", "\"kind\":\"", "\"a\":", "\"b\":", "next", "</tool_call>",
    ];

    public static TokenTrie Trie { get; } = new(
    [
        .. Enumerable.Range(0, 256).Select(b => new[] { (byte)b }),
        .. Pieces.Select(Encoding.UTF8.GetBytes),
        [0xE4, 0xB8], [0x96, 0xE7], [0xF0, 0x9F], [0x80, 0x22],
        null,
    ]);

    public static int End => Trie.VocabularySize - 1;

    public static int[] Ends { get; } = [End];

    /// <summary>The tokens that a matcher allows.</summary>
    public static List<int> Allowed(TokenMatcher matcher)
    {
        var logits = new float[Trie.VocabularySize];
        bool any = matcher.Mask(logits, Ends);
        List<int> allowed = [.. Enumerable.Range(0, logits.Length).Where(id => !float.IsNegativeInfinity(logits[id]))];
        if (any != allowed.Count > 0)
            throw new InvalidOperationException($"The mask says {any} and allows {allowed.Count} tokens.");
        return allowed;
    }

    /// <summary>Whether a grammar takes a text, cut into single bytes, as a whole answer.</summary>
    public static bool Accepts(Grammar grammar, string text)
    {
        var matcher = new TokenConstraint(grammar, Trie).Begin();
        return Encoding.UTF8.GetBytes(text).All(b => matcher.TryAdvance(b)) && matcher.IsComplete;
    }

    /// <summary>Draws allowed tokens until the answer ends: at random, and after some hurriedly, so that most end.</summary>
    /// <returns>The answer's bytes, and whether it ended.</returns>
    public static (byte[] Text, bool Ended) Draw(TokenConstraint constraint, Random random, int patience, int limit)
    {
        var matcher = constraint.Begin();
        var text = new List<byte>();
        for (int i = 0; i < limit; i++)
        {
            var allowed = Allowed(matcher);
            if (allowed.Count == 0)
                throw new InvalidOperationException($"Nothing can follow '{Encoding.UTF8.GetString([.. text])}'.");
            int token = i < patience ? allowed[random.Next(allowed.Count)] : Hurried(allowed, random);
            if (token == End)
                return ([.. text], true);
            if (!matcher.TryAdvance(token))
                throw new InvalidOperationException($"The mask allows token {token} after '{Encoding.UTF8.GetString([.. text])}', the matcher does not.");
            text.AddRange(Trie.BytesOf(token));
        }
        return ([.. text], false);
    }

    private static int Hurried(List<int> allowed, Random random)
    {
        foreach (int token in (int[])[End, '}', ']', '"', 'n'])
        {
            if (allowed.Contains(token) && random.Next(8) != 0)
                return token;
        }
        return allowed[random.Next(allowed.Count)];
    }
}
