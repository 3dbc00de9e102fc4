using System.Globalization;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>Builds a template's nodes; anything outside the subset is refused with line and column.</summary>
internal sealed class TemplateParser
{
    private readonly string source;
    private readonly List<TemplateToken> tokens;
    private int position;

    private TemplateParser(string source)
    {
        this.source = source;
        tokens = TemplateLexer.Read(source);
    }

    private TemplateToken Current => tokens[position];

    /// <exception cref="ChatTemplateException">The template is malformed or outside the subset.</exception>
    public static IReadOnlyList<TemplateNode> Parse(string source)
    {
        var parser = new TemplateParser(source);
        var nodes = parser.ParseUntil();
        if (parser.Current.Kind != TokenKind.End)
            throw parser.Error($"'{parser.tokens[parser.position + 1].Text}' has no opening tag");
        return nodes;
    }

    // Stops, without consuming, at the tag that opens with one of the names, at an unmatched closing tag, or at the end.
    private List<TemplateNode> ParseUntil(params string[] ends)
    {
        var nodes = new List<TemplateNode>();
        while (Current.Kind != TokenKind.End)
        {
            if (Current.Kind == TokenKind.Literal)
            {
                nodes.Add(new LiteralNode(tokens[position++].Text));
                continue;
            }
            if (Current.Kind == TokenKind.OpenPrint)
            {
                position++;
                nodes.Add(new PrintNode(ParseExpression()));
                Expect(TokenKind.ClosePrint);
                continue;
            }
            string tag = tokens[position + 1].Text;
            if (ends.Contains(tag) || tag is "endfor" or "endif" or "else" or "elif")
                return nodes;
            nodes.Add(ParseTag());
        }
        return nodes;
    }

    private TemplateNode ParseTag()
    {
        Expect(TokenKind.OpenTag);
        var tag = Expect(TokenKind.Name);
        return tag.Text switch
        {
            "for" => ParseFor(tag),
            "if" => ParseIf(tag),
            "set" => ParseSet(),
            _ => throw Error(tag, $"the tag '{tag.Text}' is not supported (for, if, set are)"),
        };
    }

    private ForNode ParseFor(TemplateToken tag)
    {
        string variable = Expect(TokenKind.Name).Text;
        ExpectName("in");
        var items = ParseExpression();
        Expect(TokenKind.CloseTag);
        var body = ParseUntil("endfor");
        CloseWith("endfor", tag);
        return new ForNode(variable, items, body);
    }

    private IfNode ParseIf(TemplateToken tag)
    {
        var branches = new List<(TemplateExpression?, IReadOnlyList<TemplateNode>)>();
        TemplateExpression? condition = ParseExpression();
        while (true)
        {
            Expect(TokenKind.CloseTag);
            branches.Add((condition, ParseUntil("elif", "else", "endif")));
            string next = Current.Kind == TokenKind.OpenTag ? tokens[position + 1].Text : "";
            if (condition is null || next is not ("elif" or "else"))
                break;
            position += 2;
            condition = next == "elif" ? ParseExpression() : null;
        }
        CloseWith("endif", tag);
        return new IfNode(branches);
    }

    private SetNode ParseSet()
    {
        string name = Expect(TokenKind.Name).Text;
        ExpectSymbol("=");
        var value = ParseExpression();
        Expect(TokenKind.CloseTag);
        return new SetNode(name, value);
    }

    private void CloseWith(string name, TemplateToken opening)
    {
        if (Current.Kind != TokenKind.OpenTag || tokens[position + 1].Text != name)
            throw Error(opening, $"'{opening.Text}' is not closed with '{name}'");
        position += 2;
        Expect(TokenKind.CloseTag);
    }

    // Weakest first: or, and, not, comparison, +, %, filters and tests, indexing.
    private TemplateExpression ParseExpression()
    {
        var left = ParseAnd();
        while (TryName("or", out var at))
            left = new BinaryExpression(at, "or", left, ParseAnd());
        return left;
    }

    private TemplateExpression ParseAnd()
    {
        var left = ParseNot();
        while (TryName("and", out var at))
            left = new BinaryExpression(at, "and", left, ParseNot());
        return left;
    }

    private TemplateExpression ParseNot() => TryName("not", out var at) ? new NotExpression(at, ParseNot()) : ParseComparison();

    private TemplateExpression ParseComparison()
    {
        var left = ParseSum();
        while (true)
        {
            string at = Here();
            if (Current is { Kind: TokenKind.Symbol, Text: "==" or "!=" or "<" or ">" or "<=" or ">=" } symbol)
            {
                position++;
                left = new BinaryExpression(at, symbol.Text, left, ParseSum());
            }
            else if (TryName("in", out at))
            {
                left = new BinaryExpression(at, "in", left, ParseSum());
            }
            else if (Current is { Kind: TokenKind.Name, Text: "not" } && tokens[position + 1] is { Kind: TokenKind.Name, Text: "in" })
            {
                position += 2;
                left = new NotExpression(at, new BinaryExpression(at, "in", left, ParseSum()));
            }
            else
            {
                return left;
            }
        }
    }

    private TemplateExpression ParseSum()
    {
        var left = ParsePostfix();
        while (Current is { Kind: TokenKind.Symbol, Text: "+" or "%" } symbol)
        {
            string at = Here();
            position++;
            left = new BinaryExpression(at, symbol.Text, left, ParsePostfix());
        }
        return left;
    }

    private TemplateExpression ParsePostfix()
    {
        var value = ParsePrimary();
        while (true)
        {
            string at = Here();
            if (TrySymbol("."))
            {
                value = new IndexExpression(at, value, new ConstantExpression(at, TemplateText.Of(Expect(TokenKind.Name).Text, trusted: true)));
            }
            else if (TrySymbol("["))
            {
                value = ParseIndex(at, value);
            }
            else if (TrySymbol("|"))
            {
                value = new FilterExpression(at, value, OneOf("filter", "trim", "length"));
            }
            else if (TryName("is", out at))
            {
                bool negated = TryName("not", out _);
                value = new TestExpression(at, value, OneOf("test", "defined", "none", "string"), negated);
            }
            else if (Current is { Kind: TokenKind.Symbol, Text: "(" })
            {
                throw Error("calls are not supported, except raise_exception(message)");
            }
            else
            {
                return value;
            }
        }
    }

    private TemplateExpression ParseIndex(string at, TemplateExpression target)
    {
        TemplateExpression? start = Current is { Kind: TokenKind.Symbol, Text: ":" } ? null : ParseExpression();
        if (!TrySymbol(":"))
        {
            ExpectSymbol("]");
            return new IndexExpression(at, target, start!); // Not null: only ':' leaves it out.
        }
        TemplateExpression? stop = Current is { Kind: TokenKind.Symbol, Text: "]" } ? null : ParseExpression();
        ExpectSymbol("]");
        return new SliceExpression(at, target, start, stop);
    }

    private TemplateExpression ParsePrimary()
    {
        string at = Here();
        if (TrySymbol("("))
        {
            var inner = ParseExpression();
            ExpectSymbol(")");
            return inner;
        }
        var token = Current;
        position++;
        return (token.Kind, token.Text) switch
        {
            (TokenKind.String, _) => new ConstantExpression(at, TemplateText.Of(token.Text, trusted: true)),
            (TokenKind.Integer, _) => new ConstantExpression(at, int.Parse(token.Text, CultureInfo.InvariantCulture)),
            (TokenKind.Name, "true" or "True") => new ConstantExpression(at, true),
            (TokenKind.Name, "false" or "False") => new ConstantExpression(at, false),
            (TokenKind.Name, "none" or "None") => new ConstantExpression(at, null),
            (TokenKind.Name, "raise_exception") => ParseRaise(at),
            (TokenKind.Name, _) => new NameExpression(at, token.Text),
            _ => throw Error(token, $"a value was expected, not '{token.Text}'"),
        };
    }

    private RaiseExpression ParseRaise(string at)
    {
        ExpectSymbol("(");
        var message = ParseExpression();
        ExpectSymbol(")");
        return new RaiseExpression(at, message);
    }

    private string OneOf(string what, params string[] known)
    {
        var name = Expect(TokenKind.Name);
        return known.Contains(name.Text) ? name.Text : throw Error(name, $"the {what} '{name.Text}' is not supported ({string.Join(", ", known)} are)");
    }

    private bool TrySymbol(string symbol)
    {
        if (Current.Kind != TokenKind.Symbol || Current.Text != symbol)
            return false;
        position++;
        return true;
    }

    private bool TryName(string name, out string at)
    {
        at = Here();
        if (Current.Kind != TokenKind.Name || Current.Text != name)
            return false;
        position++;
        return true;
    }

    private TemplateToken Expect(TokenKind kind) =>
        Current.Kind == kind ? tokens[position++] : throw Error($"'{Current.Text}' is not supported here");

    private void ExpectSymbol(string symbol)
    {
        if (!TrySymbol(symbol))
            throw Error($"'{symbol}' was expected, not '{Current.Text}'");
    }

    private void ExpectName(string name)
    {
        if (!TryName(name, out _))
            throw Error($"'{name}' was expected, not '{Current.Text}'");
    }

    private string Here() => TemplateLexer.At(source, Current.Offset);

    private ChatTemplateException Error(string problem) => Error(Current, problem);

    private ChatTemplateException Error(TemplateToken token, string problem) => new($"chat_template {TemplateLexer.At(source, token.Offset)}: {problem}.");
}
