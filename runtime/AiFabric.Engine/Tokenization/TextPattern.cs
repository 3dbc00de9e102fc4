using System.Text;
using System.Text.RegularExpressions;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization;

/// <summary>What a normalizer, pre-tokenizer or decoder looks for: <c>{"String": …}</c> or <c>{"Regex": …}</c>.</summary>
internal sealed class TextPattern
{
    /// <summary>
    /// Characters searched before an expression is compiled. To compile one takes tens of milliseconds of a core, which a start does not have and long
    /// texts earn back.
    /// </summary>
    private const int WorthCompiling = 4096;

    private readonly string? literal;
    private volatile Regex? regex;
    private int searched;

    private TextPattern(string? literal, Regex? regex) => (this.literal, this.regex) = (literal, regex);

    /// <summary>Whether it is an expression that has been compiled.</summary>
    public bool IsCompiled => regex is { } expression && expression.Options.HasFlag(RegexOptions.Compiled);

    /// <exception cref="CheckpointException">It is of neither kind, empty, or a regular expression that means something else in .NET.</exception>
    public static TextPattern Read(JsonPart json)
    {
        json.Only("String", "Regex");
        if (!json.Has("String"))
            return OfRegex(json.Text("Regex"), json.At);
        string literal = json.Text("String");
        return literal.Length > 0 ? new TextPattern(literal, null) : throw json.Refuse("is empty");
    }

    /// <exception cref="CheckpointException">The expression means something else in .NET.</exception>
    public static TextPattern OfRegex(string pattern, string at) => new(null, OnigurumaPattern.ToRegex(pattern, at));

    /// <summary>Where the pattern is found, from left to right; empty finds are left out.</summary>
    public List<(int Start, int Length)> Find(string text)
    {
        var found = new List<(int, int)>();
        if (literal is not null)
        {
            for (int i = text.IndexOf(literal, StringComparison.Ordinal); i >= 0; i = text.IndexOf(literal, i + literal.Length, StringComparison.Ordinal))
                found.Add((i, literal.Length));
            return found;
        }
        var folded = FoldedText.Of(text);
        foreach (var match in Expression(folded.Text.Length).EnumerateMatches(folded.Text))
        {
            if (match.Length > 0)
                found.Add((folded.Original(match.Index), folded.Original(match.Index + match.Length) - folded.Original(match.Index)));
        }
        return found;
    }

    public string Replace(string text, string content)
    {
        if (literal is not null)
            return text.Replace(literal, content, StringComparison.Ordinal);
        var found = Find(text);
        if (found.Count == 0)
            return text;
        var replaced = new StringBuilder();
        int from = 0;
        foreach (var (start, length) in found)
        {
            replaced.Append(text, from, start - from).Append(content);
            from = start + length;
        }
        return replaced.Append(text, from, text.Length - from).ToString();
    }

    // Both forms find the same, so it does not matter who meets which.
    private Regex Expression(int length)
    {
        var current = regex!; // A pattern is one or the other.
        int counted = Math.Min(length, WorthCompiling);
        if (searched < WorthCompiling && Interlocked.Add(ref searched, counted) is var now && now >= WorthCompiling && now - counted < WorthCompiling)
            _ = Task.Run(() => regex = new Regex(current.ToString(), current.Options | RegexOptions.Compiled, current.MatchTimeout));
        return current;
    }
}
