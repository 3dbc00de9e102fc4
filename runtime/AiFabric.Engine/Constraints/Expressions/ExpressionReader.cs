using System.Globalization;

namespace AiFabric.Engine.Constraints.Expressions;

/// <summary>Reads one regular expression by recursive descent.</summary>
/// <param name="text">The expression.</param>
/// <param name="path">Its name in errors.</param>
/// <param name="spell">How a character of a set is written.</param>
/// <param name="search">Whether anything may stand before and after, where no anchor forbids it.</param>
internal sealed class ExpressionReader(string text, string path, Func<CharSet, Pattern> spell, bool search)
{
    private const int MaxDepth = 100;
    private const int MaxCount = 100_000;

    private readonly Pattern anything = Pattern.Repeat(spell(CharSet.All), 0, null);
    private int at;
    private int depth;

    public Pattern Read()
    {
        var whole = Alternatives();
        return at == text.Length ? whole : throw Error("has a ')' without its '('");
    }

    private Pattern Alternatives()
    {
        if (++depth > MaxDepth)
            throw Error($"nests groups deeper than {MaxDepth}");
        List<Pattern> alternatives = [Alternative()];
        while (Take('|'))
            alternatives.Add(Alternative());
        depth--;
        return Pattern.Choice(alternatives);
    }

    private Pattern Alternative()
    {
        bool outside = depth == 1;
        var parts = new List<Pattern>();
        bool begins = outside && Take('^');
        bool ends = false;
        while (at < text.Length && text[at] is not ('|' or ')'))
        {
            if (outside && text[at] == '$' && (at + 1 == text.Length || text[at + 1] == '|'))
            {
                at++;
                ends = true;
                break;
            }
            parts.Add(Counted(Atom()));
        }
        if (search && outside && !begins)
            parts.Insert(0, anything);
        if (search && outside && !ends)
            parts.Add(anything);
        return Pattern.Sequence(parts);
    }

    private Pattern Atom()
    {
        char next = text[at++];
        switch (next)
        {
            case '(':
                return Group();
            case '[':
                return Spell(Class());
            case '.':
                return Spell(CharSet.All.Without(CharSet.LineEnds));
            case '\\':
                return Spell(Escape());
            case '^' or '$':
                at--;
                throw Error($"has '{next}' inside; anchors are supported only at the ends");
            case '*' or '+' or '?' or '{':
                at--;
                throw Error($"has '{next}' with nothing before it to repeat");
            default:
                at--;
                return Spell(Single(CodePoint()));
        }
    }

    private Pattern Group()
    {
        if (Take('?') && !Take(':'))
        {
            bool named = Take('<') && at < text.Length && text[at] is not ('=' or '!');
            int close = text.IndexOf('>', at);
            if (!named || close < 0)
                throw Error("has a group that looks around or sets options; only (…), (?:…) and (?<name>…) are supported");
            at = close + 1;
        }
        var inner = Alternatives();
        return Take(')') ? inner : throw Error("has a '(' without its ')'");
    }

    private Pattern Counted(Pattern atom)
    {
        if (at >= text.Length)
            return atom;
        (int Min, int? Max)? count = text[at] switch
        {
            '*' => (0, null),
            '+' => (1, null),
            '?' => (0, 1),
            '{' => Braces(),
            _ => null,
        };
        if (count is not { } times)
            return atom;
        at++;
        // Lazy or not, the same texts fit.
        Take('?');
        if (at < text.Length && text[at] is '*' or '+' or '{')
            throw Error($"has '{text[at]}' after another repetition");
        return Pattern.Repeat(atom, times.Min, times.Max);
    }

    // Ends on the closing brace.
    private (int Min, int? Max)? Braces()
    {
        int close = text.IndexOf('}', at);
        string[] parts = close < 0 ? [] : text[(at + 1)..close].Split(',');
        if (parts.Length is 0 or > 2 || !TryCount(parts[0], out int min))
            throw Error("has a '{' that begins no count; write '\\{' for the character");
        int? max = min;
        if (parts.Length == 2)
            max = parts[1].Length == 0 ? null : TryCount(parts[1], out int most) && most >= min ? most : throw Error("has a count whose end is below its start");
        at = close;
        return (min, max);
    }

    private static bool TryCount(string digits, out int count) =>
        int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out count) && count <= MaxCount;

    private CharSet Class()
    {
        bool negated = Take('^');
        var set = CharSet.Of();
        while (!Take(']'))
        {
            if (at >= text.Length)
                throw Error("has a '[' without its ']'");
            var first = ClassAtom(out int? from);
            if (from is { } low && at + 1 < text.Length && text[at] == '-' && text[at + 1] != ']')
            {
                at++;
                ClassAtom(out int? to);
                first = to >= low ? CharSet.Of((low, to.Value)) : throw Error("has a range in a class whose end is below its start");
            }
            set = set.With(first);
        }
        return negated ? set.Complement() : set;
    }

    private CharSet ClassAtom(out int? single)
    {
        single = null;
        if (at >= text.Length)
            throw Error("has a '[' without its ']'");
        if (text[at] != '\\')
        {
            single = CodePoint();
            return Single(single.Value);
        }
        at++;
        if (at < text.Length && text[at] == 'b')
        {
            at++;
            single = '\b';
            return Single('\b');
        }
        int start = at;
        var set = Escape();
        if ("dDwWsS".Contains(text[start], StringComparison.Ordinal))
            return set;
        single = set.Only;
        return set;
    }

    // After the backslash.
    private CharSet Escape()
    {
        if (at >= text.Length)
            throw Error("ends in a '\\'");
        char next = text[at++];
        return next switch
        {
            'd' => CharSet.Digits,
            'D' => CharSet.Digits.Complement(),
            'w' => CharSet.WordCharacters,
            'W' => CharSet.WordCharacters.Complement(),
            's' => CharSet.Spaces,
            'S' => CharSet.AnySpaces.Complement(),
            'n' => Single('\n'),
            'r' => Single('\r'),
            't' => Single('\t'),
            'f' => Single('\f'),
            'v' => Single('\v'),
            '0' => Single('\0'),
            'x' => Single(Hex(2)),
            'u' => Single(Take('{') ? HexInBraces() : Utf16()),
            _ when char.IsAsciiLetterOrDigit(next) => throw Error($"has '\\{next}', which is not supported"),
            _ => Single(next),
        };
    }

    // A pair of \u stands for one character.
    private int Utf16()
    {
        int first = Hex(4);
        if (char.IsHighSurrogate((char)first) && text.AsSpan(at).StartsWith("\\u"))
        {
            at += 2;
            int second = Hex(4);
            if (char.IsLowSurrogate((char)second))
                return char.ConvertToUtf32((char)first, (char)second);
        }
        return first;
    }

    private int HexInBraces()
    {
        int close = text.IndexOf('}', at);
        if (close < 0 || !int.TryParse(text[at..close], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value))
            throw Error("has '\\u{' without hexadecimal digits and '}'");
        at = close + 1;
        return value;
    }

    private int Hex(int digits)
    {
        if (at + digits > text.Length || !int.TryParse(text.AsSpan(at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value))
            throw Error($"has an escape without its {digits} hexadecimal digits");
        at += digits;
        return value;
    }

    private int CodePoint()
    {
        int point = char.IsSurrogatePair(text, at) ? char.ConvertToUtf32(text, at) : text[at];
        at += point > char.MaxValue ? 2 : 1;
        return point;
    }

    private CharSet Single(int point) => point is >= 0 and <= 0x10FFFF and not (>= 0xD800 and <= 0xDFFF)
        ? CharSet.Of((point, point))
        : throw Error($"names U+{point:X4}, which is no character");

    private Pattern Spell(CharSet set) => set.IsEmpty ? throw Error("has a class that nothing fits") : spell(set);

    private bool Take(char expected)
    {
        if (at >= text.Length || text[at] != expected)
            return false;
        at++;
        return true;
    }

    private GrammarException Error(string problem) => new(path, $"{problem} (at character {at + 1} of the expression).");
}
