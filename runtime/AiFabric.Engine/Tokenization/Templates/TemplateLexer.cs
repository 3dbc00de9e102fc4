using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace AiFabric.Engine.Tokenization.Templates;

internal enum TokenKind
{
    /// <summary>Text outside of tags.</summary>
    Literal,
    OpenTag,
    CloseTag,
    OpenPrint,
    ClosePrint,
    Name,
    String,
    Integer,
    Number,
    Symbol,
    End,
}

internal readonly record struct TemplateToken(TokenKind Kind, string Text, int Offset);

/// <summary>Cuts a template into tokens and applies Jinja's whitespace rules as Hugging Face sets them (trim_blocks, lstrip_blocks, and <c>-</c>).</summary>
internal sealed partial class TemplateLexer(string source)
{
    private static readonly string[] Symbols =
    [
        "==", "!=", "<=", ">=", "//", "**", "[", "]", "(", ")", "{", "}", ".", ",", "+", "-", "*", "/", "%", "~", "|", "=", "<", ">", ":",
    ];

    private readonly List<TemplateToken> tokens = [];
    private int position;
    private int braces;

    /// <summary>As Jinja reads it: line ends are '\n', and one at the end of the template is no part of it.</summary>
    public static string Normalize(string source)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        return source.EndsWith('\n') ? source[..^1] : source;
    }

    public static List<TemplateToken> Read(string source)
    {
        var lexer = new TemplateLexer(source);
        lexer.ReadAll();
        return lexer.tokens;
    }

    private void ReadAll()
    {
        bool stripNext = false;
        bool dropNewline = false;
        while (position < source.Length)
        {
            int open = NextOpening(position);
            char control = open + 2 < source.Length ? source[open + 2] : ' ';
            AddLiteral(open, stripNext, dropNewline, control);
            if (open == source.Length)
                break;
            bool isPrint = source[open + 1] == '{';
            position = open + (control is '-' or '+' ? 3 : 2);
            dropNewline = !isPrint;
            if (!isPrint && TryReadRaw(open, ref stripNext))
                continue;
            stripNext = source[open + 1] switch
            {
                '#' => SkipComment(open),
                '{' => ReadInside(TokenKind.OpenPrint, TokenKind.ClosePrint, "}}", open),
                _ => ReadInside(TokenKind.OpenTag, TokenKind.CloseTag, "%}", open),
            };
            dropNewline &= source[position - 3] != '+';
        }
        tokens.Add(new TemplateToken(TokenKind.End, "end of template", source.Length));
    }

    // '-' after the opening strips all blanks before it, '+' keeps even the indentation.
    private void AddLiteral(int open, bool strip, bool dropNewline, char control)
    {
        int start = position;
        bool beginsLine = start == 0;
        string text = source[start..open];
        if (strip)
            text = text.TrimStart();
        else if (dropNewline && text.StartsWith('\n'))
            (text, beginsLine) = (text[1..], true);
        if (open < source.Length && control == '-')
            text = text.TrimEnd();
        else if (open < source.Length && source[open + 1] != '{' && control != '+')
            text = WithoutIndent(text, beginsLine);
        if (text.Length > 0)
            tokens.Add(new TemplateToken(TokenKind.Literal, text, start));
    }

    // {% raw %} … {% endraw %}: what stands between is text, the newline after 'raw' too.
    private bool TryReadRaw(int open, ref bool stripNext)
    {
        var begin = RawTag().Match(source, open);
        if (!begin.Success || begin.Index != open)
            return false;
        var end = EndRawTag().Match(source, open + begin.Length);
        if (!end.Success)
            throw Error(open, "'raw' is not closed with 'endraw'");
        string text = source[(open + begin.Length)..end.Index];
        text = begin.Groups[1].Length > 0 ? text.TrimStart() : text;
        text = end.Groups[1].Length > 0 ? text.TrimEnd() : WithoutIndent(text, beginsLine: false);
        if (text.Length > 0)
            tokens.Add(new TemplateToken(TokenKind.Literal, text, open));
        position = end.Index + end.Length;
        stripNext = end.Groups[2].Length > 0;
        return true;
    }

    [GeneratedRegex(@"\{%[-+]?\s*raw\s*(-?)%\}", RegexOptions.CultureInvariant)]
    private static partial Regex RawTag();

    [GeneratedRegex(@"\{%(-?)\+?\s*endraw\s*(-?)%\}", RegexOptions.CultureInvariant)]
    private static partial Regex EndRawTag();

    private int NextOpening(int from)
    {
        for (int i = from; i + 1 < source.Length; i++)
        {
            if (source[i] == '{' && (source[i + 1] is '{' or '%' or '#'))
                return i;
        }
        return source.Length;
    }

    // lstrip_blocks: blanks between the line's start and a tag are indentation, not output.
    private static string WithoutIndent(string text, bool beginsLine)
    {
        string trimmed = text.TrimEnd(' ', '\t');
        return trimmed.EndsWith('\n') || (trimmed.Length == 0 && beginsLine) ? trimmed : text;
    }

    private bool SkipComment(int open)
    {
        int close = source.IndexOf("#}", position, StringComparison.Ordinal);
        if (close < 0)
            throw Error(open, "the comment is not closed with '#}'");
        position = close + 2;
        return source[close - 1] == '-';
    }

    private bool ReadInside(TokenKind open, TokenKind close, string closing, int start)
    {
        tokens.Add(new TemplateToken(open, source[start..position], start));
        braces = 0;
        while (true)
        {
            while (position < source.Length && char.IsWhiteSpace(source[position]))
                position++;
            if (position >= source.Length)
                throw Error(start, $"the tag is not closed with '{closing}'");
            bool strips = source[position] == '-';
            bool marked = strips || source[position] == '+';
            // Inside a mapping, "}}" may close two of them.
            if (braces == 0 && string.CompareOrdinal(source, position + (marked ? 1 : 0), closing, 0, 2) == 0)
            {
                tokens.Add(new TemplateToken(close, closing, position));
                position += marked ? 3 : 2;
                return strips;
            }
            ReadToken();
        }
    }

    private void ReadToken()
    {
        int start = position;
        char c = source[position];
        if (c is '\'' or '"')
        {
            tokens.Add(new TemplateToken(TokenKind.String, ReadString(c), start));
            return;
        }
        if (char.IsAsciiLetter(c) || c == '_')
        {
            while (position < source.Length && (char.IsAsciiLetterOrDigit(source[position]) || source[position] == '_'))
                position++;
            tokens.Add(new TemplateToken(TokenKind.Name, source[start..position], start));
            return;
        }
        if (char.IsAsciiDigit(c))
        {
            ReadNumber();
            return;
        }
        braces += c == '{' ? 1 : c == '}' && braces > 0 ? -1 : 0;
        foreach (string symbol in Symbols)
        {
            if (string.CompareOrdinal(source, position, symbol, 0, symbol.Length) == 0)
            {
                position += symbol.Length;
                tokens.Add(new TemplateToken(TokenKind.Symbol, symbol, start));
                return;
            }
        }
        throw Error(start, $"'{c}' is not supported");
    }

    private void ReadNumber()
    {
        int start = position;
        while (position < source.Length && char.IsAsciiDigit(source[position]))
            position++;
        bool whole = position + 1 >= source.Length || source[position] != '.' || !char.IsAsciiDigit(source[position + 1]);
        if (!whole)
        {
            position++;
            while (position < source.Length && char.IsAsciiDigit(source[position]))
                position++;
        }
        string digits = source[start..position];
        if (whole && !long.TryParse(digits, CultureInfo.InvariantCulture, out _))
            throw Error(start, "the number is too large");
        tokens.Add(new TemplateToken(whole ? TokenKind.Integer : TokenKind.Number, digits, start));
    }

    private string ReadString(char quote)
    {
        int start = position++;
        var text = new StringBuilder();
        while (position < source.Length && source[position] != quote)
        {
            char c = source[position++];
            if (c == '\\' && position < source.Length)
                ReadEscape(text);
            else
                text.Append(c);
        }
        if (position >= source.Length)
            throw Error(start, "the string is not closed");
        position++;
        return text.ToString();
    }

    // Python's escapes; one that it does not know stands for itself, backslash included.
    private void ReadEscape(StringBuilder text)
    {
        int start = position - 1;
        char escape = source[position++];
        int digits = escape switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (digits > 0)
        {
            if (position + digits > source.Length || !uint.TryParse(source.AsSpan(position, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code) || code > 0x10FFFF)
                throw Error(start, $"the escape '\\{escape}' is not followed by {digits} hexadecimal digits of a character");
            text.Append(code is >= 0xD800 and < 0xE000 or < 0x10000 ? ((char)code).ToString() : char.ConvertFromUtf32((int)code));
            position += digits;
            return;
        }
        _ = escape switch
        {
            'n' => text.Append('\n'),
            't' => text.Append('\t'),
            'r' => text.Append('\r'),
            'a' => text.Append('\a'),
            'b' => text.Append('\b'),
            'f' => text.Append('\f'),
            'v' => text.Append('\v'),
            '0' => text.Append('\0'),
            '\n' => text,
            '\\' or '\'' or '"' => text.Append(escape),
            _ => text.Append('\\').Append(escape),
        };
    }

    private ChatTemplateException Error(int offset, string problem) => new($"chat_template {At(source, offset)}: {problem}.");

    /// <summary>Where an offset lies, as <c>line 3, column 5</c>.</summary>
    public static string At(string source, int offset)
    {
        int line = 1, lineStart = 0;
        for (int i = 0; i < offset && i < source.Length; i++)
        {
            if (source[i] == '\n')
            {
                line++;
                lineStart = i + 1;
            }
        }
        return $"line {line}, column {offset - lineStart + 1}";
    }
}
