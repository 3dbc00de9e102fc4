using System.Collections.Frozen;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>Python's methods of strings, as far as templates use them. Each keeps in mind who wrote which part.</summary>
internal static class TextMethods
{
    public static readonly FrozenDictionary<string, TemplateFunction> Known = new Dictionary<string, TemplateFunction>
    {
        ["strip"] = call => Strip(call, left: true, right: true),
        ["lstrip"] = call => Strip(call, left: true, right: false),
        ["rstrip"] = call => Strip(call, left: false, right: true),
        ["startswith"] = call => AnyOf(call, (text, part) => text.StartsWith(part, StringComparison.Ordinal)),
        ["endswith"] = call => AnyOf(call, (text, part) => text.EndsWith(part, StringComparison.Ordinal)),
        ["upper"] = call => call.TextOf(call.Value).Map(text => text.ToUpperInvariant()),
        ["lower"] = call => call.TextOf(call.Value).Map(text => text.ToLowerInvariant()),
        ["capitalize"] = call => call.TextOf(call.Value).Map(text => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..].ToLowerInvariant()),
        ["title"] = call => call.TextOf(call.Value).Map(Title),
        ["replace"] = Replace,
        ["split"] = Split,
        ["rsplit"] = Split,
        ["splitlines"] = call => Cut(call.TextOf(call.Value), "\n", int.MaxValue).Select(object? (line) => line.Trim(c => c == '\r', left: false)).ToList(),
        ["removeprefix"] = call => Remove(call, start: true),
        ["removesuffix"] = call => Remove(call, start: false),
        ["find"] = call => (long)call.TextOf(call.Value).Text.IndexOf(call.TextOf(call.One()).Text, StringComparison.Ordinal),
        ["rfind"] = call => (long)call.TextOf(call.Value).Text.LastIndexOf(call.TextOf(call.One()).Text, StringComparison.Ordinal),
        ["count"] = call => Cut(call.TextOf(call.Value), Separator(call, call.One()), int.MaxValue).Count - 1L,
        ["join"] = call => TemplateFilters.Known["join"](call with { Value = call.One(), Positional = [call.Value] }),
        ["isdigit"] = call => call.TextOf(call.Value) is { Length: > 0 } text && text.Text.All(char.IsDigit),
        ["isalpha"] = call => call.TextOf(call.Value) is { Length: > 0 } text && text.Text.All(char.IsLetter),
        ["isspace"] = call => call.TextOf(call.Value) is { Length: > 0 } text && text.Text.All(char.IsWhiteSpace),
    }.ToFrozenDictionary();

    public static TemplateText Strip(TemplateCall call, bool left, bool right)
    {
        var text = call.TextOf(call.Value);
        object? characters = call.Bind("chars")[0];
        if (characters is Undefined or null)
            return text.Trim(char.IsWhiteSpace, left, right);
        string strip = call.TextOf(characters).Text;
        return text.Trim(strip.Contains, left, right);
    }

    /// <summary>Cuts text at a separator.</summary>
    /// <param name="text">The text.</param>
    /// <param name="separator">The separator, not empty.</param>
    /// <param name="most">Cuts at most, from the start.</param>
    public static List<TemplateText> Cut(TemplateText text, string separator, int most)
    {
        var parts = new List<TemplateText>();
        int start = 0;
        while (parts.Count < most && text.Text.IndexOf(separator, start, StringComparison.Ordinal) is var found and >= 0)
        {
            parts.Add(text.Slice(start, found - start));
            start = found + separator.Length;
        }
        parts.Add(text.Slice(start, text.Length - start));
        return parts;
    }

    private static bool AnyOf(TemplateCall call, Func<string, string, bool> holds)
    {
        string text = call.TextOf(call.Value).Text;
        return call.One() is IReadOnlyList<object?> several ? several.Any(part => holds(text, call.TextOf(part).Text)) : holds(text, call.TextOf(call.One()).Text);
    }

    private static List<object?> Split(TemplateCall call)
    {
        var text = call.TextOf(call.Value);
        object?[] arguments = call.Bind("sep", "maxsplit");
        int most = call.IntegerOf(arguments[1], -1);
        most = most < 0 ? int.MaxValue : most;
        call.Scope.Run.Charge(text.Length);
        if (arguments[0] is Undefined or null)
            return SplitWords(call, text, most);
        string separator = Separator(call, arguments[0]);
        var parts = Cut(text, separator, call.Name == "rsplit" ? int.MaxValue : most);
        // rsplit counts its cuts from the end, so that what is left over stays whole at the start.
        if (call.Name == "rsplit" && parts.Count - 1 > most)
        {
            int tail = parts.TakeLast(most).Sum(part => part.Length + separator.Length);
            parts = [text.Slice(0, text.Length - tail), .. parts.TakeLast(most)];
        }
        call.Scope.Run.Step(parts.Count);
        return [.. parts];
    }

    private static List<object?> SplitWords(TemplateCall call, TemplateText text, int most)
    {
        if (most != int.MaxValue)
            throw call.Error("maxsplit without a separator is not supported");
        var words = new List<object?>();
        for (int i = 0; i < text.Length;)
        {
            int end = i;
            while (end < text.Length && !char.IsWhiteSpace(text.Text[end]))
                end++;
            if (end > i)
                words.Add(text.Slice(i, end - i));
            i = Math.Max(end, i + 1);
        }
        call.Scope.Run.Step(words.Count);
        return words;
    }

    private static TemplateText Replace(TemplateCall call)
    {
        var text = call.TextOf(call.Value);
        object?[] arguments = call.Bind("old", "new", "count");
        var replacement = call.TextOf(arguments[1]);
        int most = call.IntegerOf(arguments[2], -1);
        var parts = Cut(text, Separator(call, arguments[0]), most < 0 ? int.MaxValue : most);
        call.Scope.Run.Step(parts.Count);
        call.Scope.Run.Charge(text.Length + ((long)parts.Count * replacement.Length));
        return TemplateText.Concat(parts.SelectMany((part, i) => i == 0 ? new[] { part } : [replacement, part]));
    }

    private static TemplateText Remove(TemplateCall call, bool start)
    {
        var text = call.TextOf(call.Value);
        string part = call.TextOf(call.One()).Text;
        bool holds = start ? text.Text.StartsWith(part, StringComparison.Ordinal) : text.Text.EndsWith(part, StringComparison.Ordinal);
        return holds ? text.Slice(start ? part.Length : 0, text.Length - part.Length) : text;
    }

    private static string Separator(TemplateCall call, object? value) =>
        call.TextOf(value) is { Length: > 0 } text ? text.Text : throw call.Error($"'{call.Name}' needs text that is not empty");

    private static string Title(string text)
    {
        var title = text.ToLowerInvariant().ToCharArray();
        for (int i = 0; i < title.Length; i++)
        {
            if (i == 0 || !char.IsLetter(title[i - 1]))
                title[i] = char.ToUpperInvariant(title[i]);
        }
        return new string(title);
    }
}
