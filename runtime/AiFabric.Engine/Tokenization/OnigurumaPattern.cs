using System.Text;
using System.Text.RegularExpressions;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization;

/// <summary>
/// Writes Oniguruma's regular expressions, which <c>tokenizer.json</c> holds, as .NET's. What both read alike is left as it is; possessive
/// quantifiers become atomic groups; what .NET would read as something else is refused.
/// </summary>
/// <remarks>Source: Oniguruma, <c>doc/RE</c>.</remarks>
internal sealed class OnigurumaPattern
{
    private const string WordClass = @"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}";

    // A pattern that backtracks without end fails a request instead of holding a thread.
    private static readonly TimeSpan MatchTimeout = TimeSpan.FromSeconds(10);

    private readonly string pattern;
    private readonly string at;
    private readonly StringBuilder output = new();
    private readonly Stack<int> groups = new();
    private int position;
    private int atom;

    private OnigurumaPattern(string pattern, string at) => (this.pattern, this.at) = (pattern, at);

    /// <summary>An expression that is interpreted; <see cref="TextPattern"/> has it compiled when it is used much.</summary>
    /// <exception cref="CheckpointException">The pattern is malformed or cannot be translated.</exception>
    public static Regex ToRegex(string pattern, string at)
    {
        string translated = new OnigurumaPattern(pattern, at).Translate();
        try
        {
            // As in Oniguruma, ^ and $ hold at line ends.
            return new Regex(translated, RegexOptions.CultureInvariant | RegexOptions.Multiline, MatchTimeout);
        }
        catch (ArgumentException e)
        {
            throw new CheckpointException($"{at}: the regular expression '{pattern}' is not supported: {e.Message}", e);
        }
    }

    private string Translate()
    {
        while (position < pattern.Length)
        {
            char c = pattern[position];
            if (char.IsSurrogate(c))
                throw Refuse("a character beyond U+FFFF");
            if (c is '*' or '+' or '?' || (c == '{' && IsRepeat()))
            {
                ReadQuantifier();
                continue;
            }
            if (c == ')')
            {
                output.Append(c);
                position++;
                atom = groups.Count > 0 ? groups.Pop() : output.Length;
                continue;
            }
            atom = output.Length;
            ReadAtom(c);
        }
        return output.ToString();
    }

    private void ReadAtom(char c)
    {
        if (c == '\\')
        {
            ReadEscape(inClass: false);
        }
        else if (c == '[')
        {
            ReadClass();
        }
        else
        {
            if (c == '(')
                ReadGroup();
            output.Append(c);
            position++;
        }
    }

    private void ReadGroup()
    {
        groups.Push(output.Length);
        ReadOnlySpan<char> rest = pattern.AsSpan(position);
        // (?m) is Oniguruma's name for what .NET calls (?s), and (?<name> and the like capture, which no pattern here needs.
        if (rest.StartsWith("(?") && rest.Length > 2 && rest[2] is not (':' or '=' or '!' or '>' or '<' or 'i' or '-' or '#'))
            throw Refuse($"'{rest[..3]}'");
        if (rest.StartsWith("(?i") || rest.StartsWith("(?-"))
        {
            int end = rest.IndexOfAny(':', ')');
            if (end < 0 || rest[2..end].ContainsAnyExcept('i', '-'))
                throw Refuse($"'{(end < 0 ? rest : rest[..(end + 1)])}'");
        }
        if (rest.StartsWith("(?<") && (rest.Length < 4 || rest[3] is not ('=' or '!')))
            throw Refuse("a named group");
    }

    private bool IsRepeat()
    {
        int end = pattern.IndexOf('}', position);
        return end > position + 1 && pattern[(position + 1)..end].All(c => char.IsAsciiDigit(c) || c == ',');
    }

    // X?+, X*+ and X++ give nothing back once they have matched; X{n,m}+ is X{n,m} repeated.
    private void ReadQuantifier()
    {
        bool repeat = pattern[position] == '{';
        int end = repeat ? pattern.IndexOf('}', position) + 1 : position + 1;
        output.Append(pattern, position, end - position);
        position = end;
        char next = position < pattern.Length ? pattern[position] : ' ';
        if (next == '?')
        {
            output.Append('?');
            position++;
        }
        else if (next == '+')
        {
            output.Insert(atom, repeat ? "(?:" : "(?>").Append(repeat ? ")+" : ")");
            position++;
        }
        if (position < pattern.Length && pattern[position] is '*' or '+' or '?')
            throw Refuse("a quantifier of a quantifier");
    }

    private void ReadClass()
    {
        int start = position;
        output.Append('[');
        position++;
        if (position < pattern.Length && pattern[position] == '^')
            output.Append(pattern[position++]);
        while (position < pattern.Length && pattern[position] != ']')
        {
            char c = pattern[position];
            if (char.IsSurrogate(c))
                throw Refuse("a character beyond U+FFFF");
            if (c == '[')
                throw Refuse("a class within a class");
            if (c == '&' && position + 1 < pattern.Length && pattern[position + 1] == '&')
                throw Refuse("an intersection of classes");
            if (c == '\\')
            {
                ReadEscape(inClass: true);
                continue;
            }
            output.Append(c);
            position++;
        }
        if (position >= pattern.Length || position == start + 1)
            throw Refuse("a class that is empty or not closed");
        output.Append(']');
        position++;
    }

    private void ReadEscape(bool inClass)
    {
        if (position + 1 >= pattern.Length)
            throw Refuse("a backslash at the end");
        char escape = pattern[position + 1];
        position += 2;
        if (escape is 'p' or 'P')
            ReadProperty(escape);
        else if (escape is 'w' or 'W')
            ReadWord(escape == 'W', inClass);
        else if (escape == 'h')
            output.Append(inClass ? "0-9A-Fa-f" : "[0-9A-Fa-f]");
        else if (escape == 'x' && position < pattern.Length && pattern[position] == '{')
            ReadCodePoint();
        else if (char.IsAsciiLetterOrDigit(escape) && !"adDsSnrtfvexubBAzZ0".Contains(escape, StringComparison.Ordinal))
            throw Refuse($"'\\{escape}'");
        else
            output.Append('\\').Append(escape);
    }

    private void ReadWord(bool negated, bool inClass)
    {
        if (negated && inClass)
            throw Refuse("'\\W' within a class");
        output.Append(inClass ? WordClass : negated ? $"[^{WordClass}]" : $"[{WordClass}]");
    }

    private void ReadProperty(char escape)
    {
        int end = pattern.IndexOf('}', position);
        if (position >= pattern.Length || pattern[position] != '{' || end < 0)
            throw Refuse($"'\\{escape}' without a property in braces");
        string name = pattern[(position + 1)..end];
        bool negated = escape == 'P';
        if (name.StartsWith('^'))
            (name, negated) = (name[1..], !negated);
        position = end + 1;
        name = name switch { "Letter" => "L", "Number" => "N", "Punctuation" => "P", "Symbol" => "S", "Mark" => "M", "Separator" => "Z", "Other" => "C", _ => name };
        if (name.Length is 0 or > 2 || !"CLMNPSZ".Contains(name[0], StringComparison.Ordinal))
            throw Refuse($"the property '{name}'");
        output.Append('\\').Append(negated ? 'P' : 'p').Append('{').Append(name).Append('}');
    }

    // \x{2581}
    private void ReadCodePoint()
    {
        int end = pattern.IndexOf('}', position);
        if (end < 0 || !ushort.TryParse(pattern.AsSpan(position + 1, end - position - 1), System.Globalization.NumberStyles.AllowHexSpecifier, null, out ushort code))
            throw Refuse("a character beyond U+FFFF");
        output.Append(System.Globalization.CultureInfo.InvariantCulture, $"\\u{code:x4}");
        position = end + 1;
    }

    private CheckpointException Refuse(string what) => new($"{at}: the regular expression '{pattern}' has {what}, which is not supported.");
}
