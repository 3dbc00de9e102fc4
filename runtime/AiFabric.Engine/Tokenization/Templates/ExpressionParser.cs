using System.Globalization;
using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>Reads expressions; filters, tests and methods outside the supported ones are refused by name.</summary>
/// <param name="cursor">The tokens.</param>
/// <param name="calls">Gets every name that is called, to be looked for among macros at the end.</param>
internal sealed class ExpressionParser(TokenCursor cursor, List<TemplateToken> calls)
{
    // Jinja's order, weakest first.
    private static readonly string[][] Levels = [["+", "-"], ["~"], ["*", "/", "//", "%"], ["**"]];

    public TemplateExpression Parse()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw cursor.Error("is nested too deeply");
        var value = ParseOr();
        string at = cursor.Here();
        while (cursor.TryName("if"))
        {
            var condition = ParseOr();
            value = new ConditionalExpression(at, value, condition, cursor.TryName("else") ? Parse() : null);
        }
        return value;
    }

    /// <summary>Reads what may stand before an inline condition, as in <c>for x in y if z</c>.</summary>
    public TemplateExpression ParseOr()
    {
        var left = ParseAnd();
        string at = cursor.Here();
        while (cursor.TryName("or"))
            left = new BinaryExpression(at, "or", left, ParseAnd());
        return left;
    }

    /// <summary>Reads filters and what else may follow a value.</summary>
    public TemplateExpression ParsePostfix(TemplateExpression value)
    {
        while (true)
        {
            string at = cursor.Here();
            if (cursor.TrySymbol("."))
                value = ParseAttribute(at, value);
            else if (cursor.TrySymbol("["))
                value = ParseIndex(at, value);
            else if (cursor.TrySymbol("|"))
                value = ParseFilter(at, value);
            else if (cursor.TryName("is"))
                value = ParseTest(at, value);
            else if (cursor.IsSymbol("("))
                value = ParseCall(at, value);
            else
                return value;
        }
    }

    private TemplateExpression ParseAnd()
    {
        var left = ParseNot();
        string at = cursor.Here();
        while (cursor.TryName("and"))
            left = new BinaryExpression(at, "and", left, ParseNot());
        return left;
    }

    private TemplateExpression ParseNot()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw cursor.Error("is nested too deeply");
        string at = cursor.Here();
        return cursor.TryName("not") ? new NotExpression(at, ParseNot()) : ParseComparison();
    }

    private TemplateExpression ParseComparison()
    {
        var left = ParseLevel(0);
        TemplateExpression? chain = null;
        while (true)
        {
            string at = cursor.Here();
            if (TakeComparison() is not { } comparison)
                return chain ?? left;
            var right = ParseLevel(0);
            TemplateExpression holds = comparison == "not in"
                ? new NotExpression(at, new BinaryExpression(at, "in", left, right))
                : new BinaryExpression(at, comparison, left, right);
            // As in Python, a < b < c means a < b and b < c.
            chain = chain is null ? holds : new BinaryExpression(at, "and", chain, holds);
            left = right;
        }
    }

    private string? TakeComparison()
    {
        if (cursor.Current is { Kind: TokenKind.Symbol, Text: "==" or "!=" or "<" or ">" or "<=" or ">=" })
            return cursor.Take().Text;
        if (cursor.TryName("in"))
            return "in";
        if (!cursor.IsName("not") || cursor.Next is not { Kind: TokenKind.Name, Text: "in" })
            return null;
        cursor.Take();
        cursor.Take();
        return "not in";
    }

    private TemplateExpression ParseLevel(int level)
    {
        if (level == Levels.Length)
            return ParseUnary();
        var left = ParseLevel(level + 1);
        while (cursor.Current.Kind == TokenKind.Symbol && Levels[level].Contains(cursor.Current.Text))
        {
            string at = cursor.Here();
            left = new BinaryExpression(at, cursor.Take().Text, left, ParseLevel(level + 1));
        }
        return left;
    }

    private TemplateExpression ParseUnary()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw cursor.Error("is nested too deeply");
        string at = cursor.Here();
        if (cursor.TrySymbol("-"))
            return new BinaryExpression(at, "-", new ConstantExpression(at, 0L), ParseUnary());
        return cursor.TrySymbol("+") ? ParseUnary() : ParsePostfix(ParsePrimary());
    }

    private TemplateExpression ParsePrimary()
    {
        string at = cursor.Here();
        if (cursor.TrySymbol("("))
            return ParseGroup(at);
        if (cursor.TrySymbol("["))
            return new ListExpression(at, ParseItems("]"));
        if (cursor.TrySymbol("{"))
            return ParseMap(at);
        var token = cursor.Take();
        return (token.Kind, token.Text) switch
        {
            (TokenKind.String, _) => new ConstantExpression(at, ParseString(token.Text)),
            (TokenKind.Integer, _) => new ConstantExpression(at, long.Parse(token.Text, CultureInfo.InvariantCulture)),
            (TokenKind.Number, _) => new ConstantExpression(at, double.Parse(token.Text, CultureInfo.InvariantCulture)),
            (TokenKind.Name, "true" or "True") => new ConstantExpression(at, true),
            (TokenKind.Name, "false" or "False") => new ConstantExpression(at, false),
            (TokenKind.Name, "none" or "None") => new ConstantExpression(at, null),
            (TokenKind.Name, _) => new NameExpression(at, token.Text),
            _ => throw cursor.Error(token, $"a value was expected, not '{token.Text}'"),
        };
    }

    // Neighbouring strings are one, as in Python.
    private TemplateText ParseString(string first)
    {
        var text = new System.Text.StringBuilder(first);
        while (cursor.Current.Kind == TokenKind.String)
            text.Append(cursor.Take().Text);
        return TemplateText.Of(text.ToString(), trusted: true);
    }

    // A value in parentheses, or a tuple, which is a list here.
    private TemplateExpression ParseGroup(string at)
    {
        if (cursor.TrySymbol(")"))
            return new ListExpression(at, []);
        var first = Parse();
        if (cursor.TrySymbol(")"))
            return first;
        cursor.ExpectSymbol(",");
        return new ListExpression(at, [first, .. ParseItems(")")]);
    }

    private List<TemplateExpression> ParseItems(string close)
    {
        var items = new List<TemplateExpression>();
        while (!cursor.TrySymbol(close))
        {
            items.Add(Parse());
            if (!cursor.IsSymbol(close))
                cursor.ExpectSymbol(",");
        }
        return items;
    }

    private MapExpression ParseMap(string at)
    {
        var entries = new List<(TemplateExpression, TemplateExpression)>();
        while (!cursor.TrySymbol("}"))
        {
            var key = Parse();
            cursor.ExpectSymbol(":");
            entries.Add((key, Parse()));
            if (!cursor.IsSymbol("}"))
                cursor.ExpectSymbol(",");
        }
        return new MapExpression(at, entries);
    }

    private TemplateExpression ParseAttribute(string at, TemplateExpression target)
    {
        if (cursor.Current.Kind == TokenKind.Integer)
            return new IndexExpression(at, target, new ConstantExpression(at, long.Parse(cursor.Take().Text, CultureInfo.InvariantCulture)));
        var name = cursor.Expect(TokenKind.Name);
        if (cursor.IsSymbol("(") && !TemplateMethods.Knows(name.Text))
            throw cursor.Error(name, $"the method '{name.Text}' is not supported");
        return new AttributeExpression(at, target, name.Text);
    }

    private TemplateExpression ParseIndex(string at, TemplateExpression target)
    {
        TemplateExpression? start = cursor.IsSymbol(":") ? null : Parse();
        if (start is not null && cursor.TrySymbol("]"))
            return new IndexExpression(at, target, start);
        cursor.ExpectSymbol(":");
        TemplateExpression? stop = cursor.IsSymbol("]") || cursor.IsSymbol(":") ? null : Parse();
        TemplateExpression? step = cursor.TrySymbol(":") && !cursor.IsSymbol("]") ? Parse() : null;
        cursor.ExpectSymbol("]");
        return new SliceExpression(at, target, start, stop, step);
    }

    private CallExpression ParseFilter(string at, TemplateExpression operand)
    {
        var (name, filter) = Named("filter", TemplateFilters.Known);
        var (positional, named) = cursor.TrySymbol("(") ? ParseArguments() : ([], []);
        return new CallExpression(at, name, null, filter, operand, positional, named);
    }

    private TemplateExpression ParseTest(string at, TemplateExpression operand)
    {
        bool negated = cursor.TryName("not");
        var (name, test) = Named("test", TemplateTests.Known);
        List<TemplateExpression> arguments = [];
        if (cursor.TrySymbol("("))
            arguments = ParseArguments().Positional;
        else if (BeginsArgument())
            arguments = [ParsePrimary()];
        TemplateExpression result = new CallExpression(at, name, null, test, operand, arguments, []);
        return negated ? new NotExpression(at, result) : result;
    }

    // The argument of a test may stand without parentheses: 'x is divisibleby 3'.
    private bool BeginsArgument() => cursor.Current.Kind switch
    {
        TokenKind.String or TokenKind.Integer or TokenKind.Number => true,
        TokenKind.Symbol => cursor.Current.Text is "[" or "{",
        TokenKind.Name => cursor.Current.Text is not ("and" or "or" or "if" or "else" or "is" or "in" or "not"),
        _ => false,
    };

    private CallExpression ParseCall(string at, TemplateExpression function)
    {
        string name = function switch
        {
            AttributeExpression attribute => attribute.Name,
            NameExpression global => global.Name,
            _ => throw cursor.Error("only functions and methods can be called"),
        };
        if (function is NameExpression)
            calls.Add(cursor.Current with { Text = name });
        cursor.ExpectSymbol("(");
        var (positional, named) = ParseArguments();
        return new CallExpression(at, name, function, null, null, positional, named);
    }

    private (List<TemplateExpression> Positional, List<(string, TemplateExpression)> Named) ParseArguments()
    {
        var positional = new List<TemplateExpression>();
        var named = new List<(string, TemplateExpression)>();
        while (!cursor.TrySymbol(")"))
        {
            if (cursor.Current.Kind == TokenKind.Name && cursor.Next is { Kind: TokenKind.Symbol, Text: "=" })
            {
                string name = cursor.Take().Text;
                cursor.Take();
                named.Add((name, Parse()));
            }
            else
            {
                positional.Add(Parse());
            }
            if (!cursor.IsSymbol(")"))
                cursor.ExpectSymbol(",");
        }
        return (positional, named);
    }

    private (string Name, TemplateFunction Function) Named(string what, IReadOnlyDictionary<string, TemplateFunction> known)
    {
        var name = cursor.Expect(TokenKind.Name);
        return known.TryGetValue(name.Text, out var function)
            ? (name.Text, function)
            : throw cursor.Error(name, $"the {what} '{name.Text}' is not supported ({string.Join(", ", known.Keys.Order(StringComparer.Ordinal))} are)");
    }
}
