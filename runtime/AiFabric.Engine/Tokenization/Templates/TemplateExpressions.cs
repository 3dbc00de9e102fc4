using System.Globalization;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>Part of a template that has a value: null, bool, int, <see cref="TemplateText"/>, list, mapping or <see cref="Undefined"/>.</summary>
/// <param name="At">Line and column, for messages.</param>
internal abstract record TemplateExpression(string At)
{
    public abstract object? Evaluate(TemplateScope scope);

    public ChatTemplateException Error(string problem) => new($"chat_template {At}: {problem}.");
}

internal sealed record ConstantExpression(string At, object? Value) : TemplateExpression(At)
{
    public override object? Evaluate(TemplateScope scope) => Value;
}

internal sealed record NameExpression(string At, string Name) : TemplateExpression(At)
{
    public override object? Evaluate(TemplateScope scope) => scope.Get(Name);
}

internal sealed record IndexExpression(string At, TemplateExpression Target, TemplateExpression Index) : TemplateExpression(At)
{
    public override object? Evaluate(TemplateScope scope) => (Target.Evaluate(scope), Index.Evaluate(scope)) switch
    {
        (IReadOnlyDictionary<string, object?> map, TemplateText key) => map.TryGetValue(key.ToString(), out object? value) ? value : Undefined.Value,
        (IReadOnlyList<object?> list, int i) => (uint)(i < 0 ? i + list.Count : i) < (uint)list.Count ? list[i < 0 ? i + list.Count : i] : Undefined.Value,
        (Undefined, _) => throw Error("the value that is indexed is undefined"),
        _ => throw Error("only mappings by name and lists by position can be indexed"),
    };
}

/// <summary><c>list[start:stop]</c>; negative positions count from the end.</summary>
internal sealed record SliceExpression(string At, TemplateExpression Target, TemplateExpression? Start, TemplateExpression? Stop) : TemplateExpression(At)
{
    public override object? Evaluate(TemplateScope scope)
    {
        if (Target.Evaluate(scope) is not IReadOnlyList<object?> list)
            throw Error("only a list can be sliced");
        int start = Position(Start, scope, list.Count, 0);
        int stop = Position(Stop, scope, list.Count, list.Count);
        return list.Skip(start).Take(Math.Max(0, stop - start)).ToList();
    }

    private int Position(TemplateExpression? expression, TemplateScope scope, int count, int absent)
    {
        if (expression is null)
            return absent;
        if (expression.Evaluate(scope) is not int position)
            throw Error("a slice needs integers");
        return Math.Clamp(position < 0 ? position + count : position, 0, count);
    }
}

internal sealed record NotExpression(string At, TemplateExpression Operand) : TemplateExpression(At)
{
    public override object? Evaluate(TemplateScope scope) => !TemplateValues.IsTrue(Operand.Evaluate(scope));
}

internal sealed record BinaryExpression(string At, string Operator, TemplateExpression Left, TemplateExpression Right) : TemplateExpression(At)
{
    public override object? Evaluate(TemplateScope scope)
    {
        object? left = Left.Evaluate(scope);
        // As in Python, and/or give one of their operands and look at the second only when needed.
        if (Operator is "and" or "or")
            return TemplateValues.IsTrue(left) == (Operator == "and") ? Right.Evaluate(scope) : left;
        object? right = Right.Evaluate(scope);
        return (Operator, left, right) switch
        {
            ("==", _, _) => TemplateValues.AreEqual(left, right),
            ("!=", _, _) => !TemplateValues.AreEqual(left, right),
            ("in", _, IReadOnlyList<object?> list) => list.Any(item => TemplateValues.AreEqual(left, item)),
            ("in", TemplateText part, TemplateText whole) => whole.ToString().Contains(part.ToString(), StringComparison.Ordinal),
            ("in", TemplateText key, IReadOnlyDictionary<string, object?> map) => map.ContainsKey(key.ToString()),
            ("+", int a, int b) => a + b,
            ("+", TemplateText a, TemplateText b) => a.Append(b),
            ("%", int a, int b) when b > 0 => ((a % b) + b) % b,
            ("<", int a, int b) => a < b,
            (">", int a, int b) => a > b,
            ("<=", int a, int b) => a <= b,
            (">=", int a, int b) => a >= b,
            _ => throw Error($"'{Operator}' cannot be applied to {TemplateValues.KindOf(left)} and {TemplateValues.KindOf(right)}"),
        };
    }
}

/// <summary><c>is defined</c>, <c>is none</c>, <c>is string</c> and their negations.</summary>
internal sealed record TestExpression(string At, TemplateExpression Operand, string Test, bool Negated) : TemplateExpression(At)
{
    public override object? Evaluate(TemplateScope scope)
    {
        object? value = Operand.Evaluate(scope);
        bool holds = Test switch
        {
            "defined" => value is not Undefined,
            "none" => value is null,
            _ => value is TemplateText,
        };
        return holds != Negated;
    }
}

internal sealed record FilterExpression(string At, TemplateExpression Operand, string Filter) : TemplateExpression(At)
{
    public override object? Evaluate(TemplateScope scope)
    {
        object? value = Operand.Evaluate(scope);
        if (Filter == "trim")
            return TemplateValues.ToText(value).Trim();
        return value switch
        {
            IReadOnlyList<object?> list => list.Count,
            TemplateText text => text.ToString().Length,
            _ => throw Error($"{TemplateValues.KindOf(value)} has no length"),
        };
    }
}

/// <summary><c>raise_exception(message)</c>: the template refuses this conversation.</summary>
internal sealed record RaiseExpression(string At, TemplateExpression Message) : TemplateExpression(At)
{
    public override object? Evaluate(TemplateScope scope) => throw new ChatTemplateException(TemplateValues.ToText(Message.Evaluate(scope)).ToString());
}

/// <summary>What the values of a template have in common.</summary>
internal static class TemplateValues
{
    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined or false or 0 => false,
        TemplateText text => text.ToString().Length > 0,
        IReadOnlyList<object?> list => list.Count > 0,
        _ => true,
    };

    public static bool AreEqual(object? left, object? right) =>
        left is TemplateText a && right is TemplateText b ? a.ToString() == b.ToString() : Equals(left, right);

    public static TemplateText ToText(object? value) => value switch
    {
        TemplateText text => text,
        Undefined => TemplateText.Empty,
        null => TemplateText.Of("None", trusted: true),
        bool truth => TemplateText.Of(truth ? "True" : "False", trusted: true),
        int number => TemplateText.Of(number.ToString(CultureInfo.InvariantCulture), trusted: true),
        _ => throw new ChatTemplateException($"chat_template prints {KindOf(value)}; only text and numbers can be printed."),
    };

    public static string KindOf(object? value) => value switch
    {
        null => "none",
        Undefined => "an undefined value",
        bool => "a boolean",
        int => "an integer",
        TemplateText => "text",
        IReadOnlyList<object?> => "a list",
        _ => "a mapping",
    };
}
