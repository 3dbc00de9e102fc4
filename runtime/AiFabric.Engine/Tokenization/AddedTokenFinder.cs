using AiFabric.Engine.Tokenization.Templates;

namespace AiFabric.Engine.Tokenization;

/// <summary>A stretch of text, or an added token.</summary>
/// <param name="Start">Where the text begins.</param>
/// <param name="Length">How long it is.</param>
/// <param name="Token">The added token; null for text.</param>
internal readonly record struct TextSection(int Start, int Length, AddedToken? Token);

/// <summary>Finds added tokens in text: at each place the longest, from left to right, as Hugging Face does.</summary>
internal sealed class AddedTokenFinder
{
    private readonly Node root = new();

    /// <param name="tokens">The tokens, each with the text that it is found by.</param>
    public AddedTokenFinder(IEnumerable<(string Text, AddedToken Token)> tokens)
    {
        foreach (var (text, token) in tokens.Where(t => t.Text.Length > 0))
        {
            var node = root;
            foreach (char c in text)
                node = node.Next.TryGetValue(c, out var next) ? next : node.Next[c] = new Node();
            node.Token ??= token;
        }
    }

    /// <summary>Cuts text into added tokens and what lies between them.</summary>
    /// <param name="text">The text.</param>
    /// <param name="trust">Where control marks may stand.</param>
    public List<TextSection> Cut(string text, TrustedSpans trust)
    {
        var sections = new List<TextSection>();
        int start = 0;
        for (int i = 0; i < text.Length;)
        {
            if (Longest(text, i, trust, out int length) is not { } token)
            {
                i++;
                continue;
            }
            int from = i, to = i + length;
            i = to;
            if (token.SingleWord && ((from > 0 && IsWord(text[from - 1])) || (to < text.Length && IsWord(text[to]))))
                continue;
            while (token.LeftStrip && from > start && char.IsWhiteSpace(text[from - 1]))
                from--;
            while (token.RightStrip && to < text.Length && char.IsWhiteSpace(text[to]))
                to++;
            if (from > start)
                sections.Add(new TextSection(start, from - start, null));
            sections.Add(new TextSection(from, to - from, token));
            i = start = to;
        }
        if (start < text.Length)
            sections.Add(new TextSection(start, text.Length - start, null));
        return sections;
    }

    private AddedToken? Longest(string text, int start, TrustedSpans trust, out int length)
    {
        AddedToken? longest = null;
        length = 0;
        var node = root;
        for (int i = start; i < text.Length && node.Next.TryGetValue(text[i], out var next); i++)
        {
            node = next;
            if (node.Token is { } token && (!token.Special || trust.Covers(start, i + 1)))
                (longest, length) = (token, i + 1 - start);
        }
        return longest;
    }

    private static bool IsWord(char c) => char.IsLetterOrDigit(c) || c == '_';

    private sealed class Node
    {
        public Dictionary<char, Node> Next { get; } = [];

        public AddedToken? Token { get; set; }
    }
}

/// <summary>Where in a text control marks may stand.</summary>
internal sealed class TrustedSpans
{
    public static readonly TrustedSpans None = new([]);
    public static readonly TrustedSpans All = new([(0, int.MaxValue)]);

    private readonly List<(int Start, int End)> spans;

    private TrustedSpans(List<(int, int)> spans) => this.spans = spans;

    /// <summary>Those of a rendered conversation, whose neighbouring parts of one writer are one span.</summary>
    public static TrustedSpans Of(IReadOnlyList<PromptSegment> prompt)
    {
        var spans = new List<(int Start, int End)>();
        int start = 0;
        foreach (var segment in prompt)
        {
            int end = start + segment.Text.Length;
            if (segment.Trusted && spans.Count > 0 && spans[^1].End == start)
                spans[^1] = (spans[^1].Start, end);
            else if (segment.Trusted)
                spans.Add((start, end));
            start = end;
        }
        return new TrustedSpans(spans);
    }

    public bool Covers(int start, int end)
    {
        int low = 0, high = spans.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (spans[middle].End < end)
                low = middle + 1;
            else
                high = middle;
        }
        return low < spans.Count && spans[low].Start <= start;
    }
}
