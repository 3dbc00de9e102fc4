using AiFabric.Engine.Tokenization;

namespace AiFabric.Engine.Constraints;

/// <summary>
/// The bytes of a vocabulary's tokens as a tree, each node before its children: a walk skips all tokens with a forbidden beginning at once.
/// Immutable.
/// </summary>
public sealed class TokenTrie
{
    /// <summary>Opens what stands for a control mark. No UTF-8 has it, so that only <see cref="Pattern.ControlMark"/> allows one.</summary>
    internal const byte MarkByte = 0xFF;

    private readonly byte[]?[] bytes;
    private readonly byte[] labels;
    private readonly int[] depths;
    private readonly int[] ends;
    private readonly int[] firstTokens;
    private readonly int[] tokens;

    /// <param name="bytesById">What each token stands for; null for ids that cannot be drawn.</param>
    public TokenTrie(IReadOnlyList<byte[]?> bytesById)
    {
        bytes = [.. bytesById];
        tokens = [.. Enumerable.Range(0, bytes.Length).Where(id => bytes[id] is { Length: > 0 })];
        Array.Sort(tokens, (a, b) => bytes[a].AsSpan().SequenceCompareTo(bytes[b]) is var order && order != 0 ? order : a.CompareTo(b));
        List<byte> label = [0];
        List<int> depth = [0], firstToken = [0], end = [0];
        var open = new Stack<int>([0]);
        ReadOnlySpan<byte> last = [];
        for (int i = 0; i < tokens.Length; i++)
        {
            ReadOnlySpan<byte> text = bytes[tokens[i]];
            int shared = last.CommonPrefixLength(text);
            for (; open.Count > shared + 1; open.Pop())
                end[open.Peek()] = label.Count;
            for (int at = shared; at < text.Length; at++)
            {
                open.Push(label.Count);
                label.Add(text[at]);
                depth.Add(at + 1);
                firstToken.Add(i);
                end.Add(0);
            }
            last = text;
        }
        foreach (int node in open)
            end[node] = label.Count;
        (labels, depths, ends, firstTokens) = ([.. label], [.. depth], [.. end], [.. firstToken, tokens.Length]);
        MaxDepth = depths.Max();
    }

    /// <summary>The tokens of a tokenizer.</summary>
    public static TokenTrie Of(HuggingFaceTokenizer tokenizer) => new([.. Enumerable.Range(0, tokenizer.VocabularySize).Select(id => BytesOf(tokenizer, id))]);

    /// <summary>What stands for a control mark.</summary>
    internal static byte[] BytesOfMark(int token) => [MarkByte, (byte)(token >> 16), (byte)(token >> 8), (byte)token];

    // A token of bytes that has the mark's byte is no text, and must not be taken for the beginning of a mark.
    private static byte[]? BytesOf(HuggingFaceTokenizer tokenizer, int id) => !tokenizer.HasToken(id) ? null
        : tokenizer.SpecialIds.Contains(id) ? BytesOfMark(id)
        : tokenizer.TokenBytes(id).Contains(MarkByte) ? null : tokenizer.TokenBytes(id).ToArray();

    /// <summary>One more than the largest id.</summary>
    public int VocabularySize => bytes.Length;

    public int NodeCount => labels.Length;

    /// <summary>Bytes of the longest token.</summary>
    public int MaxDepth { get; }

    /// <summary>A token's bytes; empty for ids that are no text.</summary>
    public ReadOnlySpan<byte> BytesOf(int token) => (uint)token < (uint)bytes.Length ? bytes[token] : [];

    /// <summary>The last byte of a node's text.</summary>
    internal ReadOnlySpan<byte> Labels => labels;

    /// <summary>Bytes of a node's text.</summary>
    internal ReadOnlySpan<int> Depths => depths;

    /// <summary>The first node that is not below a node.</summary>
    internal ReadOnlySpan<int> Ends => ends;

    /// <summary>The tokens whose text ends at a node.</summary>
    internal ReadOnlySpan<int> TokensAt(int node) => tokens.AsSpan(firstTokens[node]..firstTokens[node + 1]);
}
