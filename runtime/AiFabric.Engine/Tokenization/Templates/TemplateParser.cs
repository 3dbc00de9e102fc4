namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>Builds a template's nodes; anything outside the supported subset is refused with line and column.</summary>
internal sealed class TemplateParser
{
    private const int LongestTemplate = 1 << 20;

    private readonly TokenCursor cursor;
    private readonly ExpressionParser expressions;
    private readonly List<TemplateToken> calls = [];
    private readonly HashSet<string> names = [.. TemplateGlobals.Known.Keys];
    private int loops;

    private TemplateParser(string source)
    {
        cursor = new TokenCursor(source);
        expressions = new ExpressionParser(cursor, calls);
    }

    /// <exception cref="ChatTemplateException">The template is malformed or outside the subset.</exception>
    public static IReadOnlyList<TemplateNode> Parse(string source)
    {
        if (source.Length > LongestTemplate)
            throw new ChatTemplateException($"chat_template is longer than {LongestTemplate} characters.");
        var parser = new TemplateParser(TemplateLexer.Normalize(source));
        var nodes = parser.ParseUntil();
        if (parser.cursor.Current.Kind != TokenKind.End)
            throw parser.cursor.Error($"'{parser.cursor.Next.Text}' has no opening tag");
        foreach (var call in parser.calls.Where(call => !parser.names.Contains(call.Text)))
            throw parser.cursor.Error(call, $"the function '{call.Text}' is not supported ({string.Join(", ", TemplateGlobals.Known.Keys.Order(StringComparer.Ordinal))} and macros are)");
        return nodes;
    }

    // Stops, without consuming, at a tag that closes or continues another, or at the end.
    private List<TemplateNode> ParseUntil()
    {
        var nodes = new List<TemplateNode>();
        while (cursor.Current.Kind != TokenKind.End)
        {
            if (cursor.Current.Kind == TokenKind.Literal)
            {
                nodes.Add(new LiteralNode(TemplateText.Of(cursor.Take().Text, trusted: true)));
                continue;
            }
            if (cursor.Current.Kind == TokenKind.OpenPrint)
            {
                cursor.Take();
                nodes.Add(new PrintNode(expressions.Parse()));
                cursor.Expect(TokenKind.ClosePrint);
                continue;
            }
            if (cursor.Next.Text is "else" or "elif" || cursor.Next.Text.StartsWith("end", StringComparison.Ordinal))
                return nodes;
            nodes.Add(ParseTag());
        }
        return nodes;
    }

    private TemplateNode ParseTag()
    {
        if (!System.Runtime.CompilerServices.RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw cursor.Error("is nested too deeply");
        cursor.Expect(TokenKind.OpenTag);
        var tag = cursor.Expect(TokenKind.Name);
        return tag.Text switch
        {
            "for" => ParseFor(tag),
            "if" => ParseIf(tag),
            "set" => ParseSet(tag),
            "macro" => ParseMacro(tag),
            "generation" => new BodyNode(ParseBody(tag, "endgeneration")),
            "break" => ParseFlow(tag, TemplateFlow.Break),
            "continue" => ParseFlow(tag, TemplateFlow.Continue),
            _ => throw cursor.Error(tag, $"the tag '{tag.Text}' is not supported (for, if, set, macro, generation, break, continue, raw are)"),
        };
    }

    private ForNode ParseFor(TemplateToken tag)
    {
        var target = ParseTarget();
        cursor.ExpectName("in");
        var items = expressions.ParseOr();
        var condition = cursor.TryName("if") ? expressions.Parse() : null;
        cursor.Expect(TokenKind.CloseTag);
        loops++;
        var body = ParseUntil();
        loops--;
        List<TemplateNode> otherwise = [];
        if (cursor.Current.Kind == TokenKind.OpenTag && cursor.Next.Text == "else")
        {
            cursor.Take();
            cursor.Take();
            cursor.Expect(TokenKind.CloseTag);
            otherwise = ParseUntil();
        }
        CloseWith("endfor", tag);
        return new ForNode(target, items, condition, body, otherwise);
    }

    private IfNode ParseIf(TemplateToken tag)
    {
        var branches = new List<(TemplateExpression?, IReadOnlyList<TemplateNode>)>();
        TemplateExpression? condition = expressions.Parse();
        while (true)
        {
            cursor.Expect(TokenKind.CloseTag);
            branches.Add((condition, ParseUntil()));
            string next = cursor.Current.Kind == TokenKind.OpenTag ? cursor.Next.Text : "";
            if (condition is null || next is not ("elif" or "else"))
                break;
            cursor.Take();
            cursor.Take();
            condition = next == "elif" ? expressions.Parse() : null;
        }
        CloseWith("endif", tag);
        return new IfNode(branches);
    }

    private TemplateNode ParseSet(TemplateToken tag)
    {
        string at = cursor.Here();
        var target = ParseTarget();
        if (!cursor.TrySymbol("="))
            return ParseSetBlock(tag, target, at);
        var value = expressions.Parse();
        if (cursor.IsSymbol(","))
            throw cursor.Error("a list without brackets is not supported here");
        cursor.Expect(TokenKind.CloseTag);
        return new SetNode(target, value);
    }

    private SetBlockNode ParseSetBlock(TemplateToken tag, TemplateTarget target, string at)
    {
        if (!cursor.IsSymbol("|") && cursor.Current.Kind != TokenKind.CloseTag)
            throw cursor.Error($"'=' was expected, not '{cursor.Current.Text}'");
        var body = new List<TemplateNode>();
        var filtered = expressions.ParsePostfix(new BodyExpression(at, body));
        body.AddRange(ParseBody(tag, "endset"));
        return new SetBlockNode(target, filtered);
    }

    private MacroNode ParseMacro(TemplateToken tag)
    {
        string name = cursor.Expect(TokenKind.Name).Text;
        names.Add(name);
        cursor.ExpectSymbol("(");
        var parameters = new List<(string, TemplateExpression?)>();
        while (!cursor.TrySymbol(")"))
        {
            string parameter = cursor.Expect(TokenKind.Name).Text;
            names.Add(parameter);
            parameters.Add((parameter, cursor.TrySymbol("=") ? expressions.Parse() : null));
            if (!cursor.IsSymbol(")"))
                cursor.ExpectSymbol(",");
        }
        return new MacroNode(name, parameters, ParseBody(tag, "endmacro"));
    }

    private FlowNode ParseFlow(TemplateToken tag, TemplateFlow flow)
    {
        if (loops == 0)
            throw cursor.Error(tag, $"'{tag.Text}' stands outside of a loop");
        cursor.Expect(TokenKind.CloseTag);
        return new FlowNode(flow);
    }

    // From the end of an opening tag to the end of its closing tag. A loop outside cannot be left from here.
    private List<TemplateNode> ParseBody(TemplateToken tag, string close)
    {
        int outside = loops;
        loops = tag.Text == "generation" ? loops : 0;
        cursor.Expect(TokenKind.CloseTag);
        var body = ParseUntil();
        CloseWith(close, tag);
        loops = outside;
        return body;
    }

    private TemplateTarget ParseTarget()
    {
        string at = cursor.Here();
        bool grouped = cursor.TrySymbol("(");
        List<string> targets = [cursor.Expect(TokenKind.Name).Text];
        if (cursor.TrySymbol("."))
            return new TemplateTarget(at, targets, cursor.Expect(TokenKind.Name).Text);
        while (cursor.TrySymbol(","))
            targets.Add(cursor.Expect(TokenKind.Name).Text);
        if (grouped)
            cursor.ExpectSymbol(")");
        names.UnionWith(targets);
        return new TemplateTarget(at, targets, null);
    }

    private void CloseWith(string name, TemplateToken opening)
    {
        if (cursor.Current.Kind != TokenKind.OpenTag || cursor.Next.Text != name)
            throw cursor.Error(opening, $"'{opening.Text}' is not closed with '{name}'");
        cursor.Take();
        cursor.Take();
        cursor.Expect(TokenKind.CloseTag);
    }
}
