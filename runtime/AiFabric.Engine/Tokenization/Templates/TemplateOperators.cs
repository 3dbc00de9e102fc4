namespace AiFabric.Engine.Tokenization.Templates;

internal sealed record BinaryExpression(string At, string Operator, TemplateExpression Left, TemplateExpression Right) : TemplateExpression(At)
{
    protected override object? Compute(TemplateScope scope)
    {
        object? left = Left.Evaluate(scope);
        // As in Python, and/or give one of their operands and look at the second only when needed.
        if (Operator is "and" or "or")
            return TemplateValues.IsTrue(left) == (Operator == "and") ? Right.Evaluate(scope) : left;
        object? right = Right.Evaluate(scope);
        scope.Run.Weigh(left);
        scope.Run.Weigh(right);
        return Operator switch
        {
            "==" => TemplateValues.AreEqual(left, right, scope.Run),
            "!=" => !TemplateValues.AreEqual(left, right, scope.Run),
            "in" => Contains(scope, left, right),
            "~" => Join(scope, PythonText.Of(left, scope.Run), PythonText.Of(right, scope.Run)),
            "<" or ">" or "<=" or ">=" => Compare(left, right),
            _ => Arithmetic(scope, left, right),
        };
    }

    private bool Contains(TemplateScope scope, object? item, object? whole) => (item, whole) switch
    {
        (TemplateText part, TemplateText text) => text.Text.Contains(part.Text, StringComparison.Ordinal),
        (TemplateText key, TemplateMap map) => map.Contains(key.Text),
        (_, IReadOnlyList<object?> list) => list.Any(other => TemplateValues.AreEqual(item, other, scope.Run)),
        (_, TemplateMap or Undefined) => false,
        _ => throw Mismatch(item, whole),
    };

    private bool Compare(object? left, object? right)
    {
        double order;
        if (left is TemplateText a && right is TemplateText b)
            order = string.CompareOrdinal(a.Text, b.Text);
        else if (left is long i && right is long j)
            order = i.CompareTo(j);
        else if (TemplateValues.AsNumber(left) is { } x && TemplateValues.AsNumber(right) is { } y)
            order = x - y;
        else
            throw Mismatch(left, right);
        return Operator switch { "<" => order < 0, ">" => order > 0, "<=" => order <= 0, _ => order >= 0 };
    }

    private object Arithmetic(TemplateScope scope, object? left, object? right)
    {
        switch (left, right)
        {
            case (TemplateText a, TemplateText b) when Operator == "+":
                return Join(scope, a, b);
            case (IReadOnlyList<object?> a, IReadOnlyList<object?> b) when Operator == "+":
                scope.Run.Step(a.Count + b.Count);
                return a.Concat(b).ToList();
            case (TemplateText text, long times) when Operator == "*":
                return Repeat(scope, text, times);
            case (long or bool, long or bool) when Operator != "/":
                return Integers(Convert.ToInt64(left, null), Convert.ToInt64(right, null));
            default:
                if (TemplateValues.AsNumber(left) is not { } x || TemplateValues.AsNumber(right) is not { } y)
                    throw Mismatch(left, right);
                return Numbers(x, y);
        }
    }

    private object Integers(long a, long b)
    {
        if (Operator is "//" or "%" && b == 0)
            throw Error("division by zero");
        try
        {
            return Operator switch
            {
                "+" => checked(a + b),
                "-" => checked(a - b),
                "*" => checked(a * b),
                "//" => (long)Math.Floor((decimal)a / b),
                "%" => (long)((((Int128)a % b) + b) % b), // As in Python, the result has the divisor's sign.
                "**" when b >= 0 => checked((long)Math.Pow(a, b)),
                _ => (object)Numbers(a, b),
            };
        }
        catch (OverflowException)
        {
            throw Error("the result is too large");
        }
    }

    private double Numbers(double a, double b)
    {
        if (Operator is "/" or "//" or "%" && b == 0)
            throw Error("division by zero");
        return Operator switch
        {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "/" => a / b,
            "//" => Math.Floor(a / b),
            "%" => a - (b * Math.Floor(a / b)),
            _ => Math.Pow(a, b),
        };
    }

    private static TemplateText Join(TemplateScope scope, TemplateText left, TemplateText right)
    {
        scope.Run.Charge(left.Length + right.Length);
        return left.Append(right);
    }

    private static TemplateText Repeat(TemplateScope scope, TemplateText text, long times)
    {
        int count = (int)Math.Clamp(times, 0, int.MaxValue);
        scope.Run.Step(count);
        scope.Run.Charge((long)count * text.Length);
        return TemplateText.Concat(Enumerable.Repeat(text, count));
    }

    private ChatTemplateException Mismatch(object? left, object? right) =>
        Error($"'{Operator}' cannot be applied to {TemplateValues.KindOf(left)} and {TemplateValues.KindOf(right)}");
}
