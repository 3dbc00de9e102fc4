using System.Globalization;

namespace AiFabric.Engine.Constraints.Json;

/// <summary>Numbers by the keywords that speak of them.</summary>
internal static class Numbers
{
    private const int MaxListed = 1000;
    private const decimal SmallestStep = 0.000000001m;

    /// <param name="node">The schema.</param>
    /// <param name="whole">Whether only integers are allowed.</param>
    /// <exception cref="GrammarException">A keyword is malformed, or allows nothing.</exception>
    public static Pattern Read(SchemaNode node, bool whole)
    {
        var low = Tighter(node, "minimum", "exclusiveMinimum", (a, b) => a > b);
        var high = Tighter(node, "maximum", "exclusiveMaximum", (a, b) => a < b);
        if (node.Number("multipleOf") is { } step)
            return Multiples(node, step, low, high, whole);
        if (low is null && high is null)
            return Pattern.Rule(whole ? JsonText.IntegerRule : JsonText.NumberRule);
        return Between(node, low, high, whole ? 0 : JsonText.FractionDigits);
    }

    private static Pattern Between(SchemaNode node, Bound? low, Bound? high, int fraction)
    {
        var from = low ?? new Bound(-IntegerRange.Largest, true);
        var to = high ?? new Bound(IntegerRange.Largest, true);
        return DecimalRange.Of(from, to, fraction) ?? throw node.Error(low is null ? "maximum" : "minimum", "and the other bounds allow no number.");
    }

    private static Bound? Tighter(SchemaNode node, string inclusive, string exclusive, Func<decimal, decimal, bool> isTighter)
    {
        Bound? bound = node.Number(inclusive) is { } value ? new Bound(value, true) : null;
        if (node.Number(exclusive) is { } limit && (bound is not { } other || !isTighter(other.Value, limit)))
            return new Bound(limit, false);
        return bound;
    }

    private static Pattern Multiples(SchemaNode node, decimal step, Bound? low, Bound? high, bool whole)
    {
        if (step < SmallestStep)
            throw node.Error("multipleOf", "must be at least 10^-9.");
        if (low is { } from && high is { } to && (to.Value - from.Value) / step <= MaxListed)
            return Listed(node, step, from, to, whole);
        for (int digits = 0; digits <= JsonText.FractionDigits && step * Power(digits) <= 1; digits++)
        {
            if (step * Power(digits) == 1)
                return Between(node, low, high, whole ? 0 : digits);
        }
        for (int zeros = 1; zeros < JsonText.IntegerDigits && low is null && high is null; zeros++)
        {
            if (step == Power(zeros))
                return Pattern.Choice(Pattern.Text("0"), Rounded(zeros));
        }
        throw node.Error("multipleOf", $"is supported as a power of ten, or between a minimum and a maximum with at most {MaxListed} multiples between them.");
    }

    private static Pattern Rounded(int zeros) => Pattern.Sequence(
        Pattern.Optional(Pattern.Text("-")), IntegerRange.Digit('1', '9'), Pattern.Repeat(JsonText.Digit, 0, JsonText.IntegerDigits - zeros - 1), Pattern.Text(new string('0', zeros)));

    private static Pattern Listed(SchemaNode node, decimal step, Bound low, Bound high, bool whole)
    {
        var values = new List<Pattern>();
        for (decimal value = decimal.Ceiling(low.Value / step) * step; value <= high.Value; value += step)
        {
            bool excluded = (value == low.Value && !low.Included) || (value == high.Value && !high.Included);
            if (!excluded && (!whole || decimal.IsInteger(value)))
                values.Add(Pattern.Text((value / 1.0000000000000000000000000000m).ToString(CultureInfo.InvariantCulture)));
        }
        return values.Count > 0 ? Pattern.Choice(values) : throw node.Error("multipleOf", "has no multiple between the bounds.");
    }

    private static decimal Power(int exponent)
    {
        decimal power = 1;
        for (int i = 0; i < exponent; i++)
            power *= 10;
        return power;
    }
}
