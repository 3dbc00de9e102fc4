using System.Globalization;
using System.Text;

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
    Symbol,
    End,
}

internal readonly record struct TemplateToken(TokenKind Kind, string Text, int Offset);

/// <summary>Cuts a template into tokens and applies Jinja's whitespace rules as Hugging Face sets them (trim_blocks, lstrip_blocks, and <c>-</c>).</summary>
internal sealed class TemplateLexer(string source)
{
    private static readonly string[] Symbols = ["==", "!=", "<=", ">=", "[", "]", "(", ")", ".", ",", "+", "%", "|", "=", "<", ">", ":"];
    private readonly List<TemplateToken> tokens = [];
    private int position;

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
            int start = position;
            string text = source[start..open];
            if (stripNext)
                text = text.TrimStart();
            else if (dropNewline)
                text = WithoutFirstNewline(text);
            bool stripsBefore = open + 2 < source.Length && source[open + 2] == '-';
            bool isPrint = open < source.Length && source[open + 1] == '{';
            if (stripsBefore)
                text = text.TrimEnd();
            else if (open < source.Length && !isPrint)
                text = WithoutIndent(text, wholeLine: start == 0);
            if (text.Length > 0)
                tokens.Add(new TemplateToken(TokenKind.Literal, text, start));
            if (open == source.Length)
                break;
            position = open + (stripsBefore ? 3 : 2);
            stripNext = source[open + 1] switch
            {
                '#' => SkipComment(open),
                '{' => ReadInside(TokenKind.OpenPrint, TokenKind.ClosePrint, "}}", open),
                _ => ReadInside(TokenKind.OpenTag, TokenKind.CloseTag, "%}", open),
            };
            dropNewline = !isPrint;
        }
        tokens.Add(new TemplateToken(TokenKind.End, "end of template", source.Length));
    }

    private int NextOpening(int from)
    {
        for (int i = from; i + 1 < source.Length; i++)
        {
            if (source[i] == '{' && (source[i + 1] is '{' or '%' or '#'))
                return i;
        }
        return source.Length;
    }

    private static string WithoutFirstNewline(string text) =>
        text.StartsWith("\r\n", StringComparison.Ordinal) ? text[2..] : text.StartsWith('\n') ? text[1..] : text;

    // lstrip_blocks: blanks between the line's start and a tag are indentation, not output.
    private static string WithoutIndent(string text, bool wholeLine)
    {
        string trimmed = text.TrimEnd(' ', '\t');
        return trimmed.EndsWith('\n') || (trimmed.Length == 0 && wholeLine) ? trimmed : text;
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
        while (true)
        {
            while (position < source.Length && char.IsWhiteSpace(source[position]))
                position++;
            if (position >= source.Length)
                throw Error(start, $"the tag is not closed with '{closing}'");
            bool strips = source[position] == '-';
            if (string.CompareOrdinal(source, position + (strips ? 1 : 0), closing, 0, 2) == 0)
            {
                tokens.Add(new TemplateToken(close, closing, position));
                position += strips ? 3 : 2;
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
        if (char.IsAsciiDigit(c) || (c == '-' && position + 1 < source.Length && char.IsAsciiDigit(source[position + 1])))
        {
            position++;
            while (position < source.Length && char.IsAsciiDigit(source[position]))
                position++;
            if (!int.TryParse(source.AsSpan(start, position - start), CultureInfo.InvariantCulture, out _))
                throw Error(start, "the number is too large");
            tokens.Add(new TemplateToken(TokenKind.Integer, source[start..position], start));
            return;
        }
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

    private string ReadString(char quote)
    {
        int start = position++;
        var text = new StringBuilder();
        while (position < source.Length && source[position] != quote)
        {
            char c = source[position++];
            if (c != '\\')
            {
                text.Append(c);
                continue;
            }
            if (position >= source.Length)
                break;
            char escape = source[position++];
            text.Append(escape switch
            {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                '\\' or '\'' or '"' => escape,
                _ => throw Error(position - 2, $"the escape '\\{escape}' is not supported"),
            });
        }
        if (position >= source.Length)
            throw Error(start, "the string is not closed");
        position++;
        return text.ToString();
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
