using System.Globalization;

namespace AiFabric.Engine.Constraints.Json;

/// <summary>A bound of numbers.</summary>
/// <param name="Value">The number.</param>
/// <param name="Included">Whether it is allowed itself.</param>
internal readonly record struct Bound(decimal Value, bool Included);

/// <summary>Decimal numbers between bounds, digit by digit, without exponents.</summary>
internal static class DecimalRange
{
    /// <summary>The numbers between two bounds.</summary>
    /// <param name="low">The lower.</param>
    /// <param name="high">The upper.</param>
    /// <param name="fraction">Digits after the point at most.</param>
    /// <returns>Null when there is none.</returns>
    public static Pattern? Of(Bound low, Bound high, int fraction)
    {
        var zero = new Bound(0, false);
        List<Pattern?> ways = [];
        // Zero counts as positive, so that no answer says -0.
        if (low.Value < 0 && Magnitudes(high.Value < 0 ? high with { Value = -high.Value } : zero, low with { Value = -low.Value }, fraction) is { } negative)
            ways.Add(Pattern.Sequence(Pattern.Text("-"), negative));
        if (high.Value >= 0)
            ways.Add(Magnitudes(low.Value < 0 ? new Bound(0, true) : low, high, fraction));
        Pattern[] some = [.. ways.OfType<Pattern>()];
        return some.Length == 0 ? null : Pattern.Choice(some);
    }

    private static Pattern? Magnitudes(Bound low, Bound high, int fraction)
    {
        if (low.Value > high.Value)
            return null;
        long first = (long)decimal.Truncate(low.Value), last = (long)decimal.Truncate(high.Value);
        string lowDigits = FractionOf(low.Value), highDigits = FractionOf(high.Value);
        List<Pattern?> ways = [];
        if (first == last)
        {
            ways.Add(Whole(first, new Fractions(lowDigits, low.Included, highDigits, high.Included, fraction).From(0, true, true)));
        }
        else
        {
            ways.Add(Whole(first, new Fractions(lowDigits, low.Included, "", true, fraction).From(0, true, false)));
            ways.Add(Whole(last, new Fractions("", true, highDigits, high.Included, fraction).From(0, false, true)));
            if (IntegerRange.Of(first + 1, last - 1) is { } between)
                ways.Add(Pattern.Sequence(between, Free(fraction)));
        }
        Pattern[] some = [.. ways.OfType<Pattern>()];
        return some.Length == 0 ? null : Pattern.Choice(some);
    }

    private static Pattern? Whole(long integer, Pattern? fraction) =>
        fraction is null ? null : Pattern.Sequence(Pattern.Text(integer.ToString(CultureInfo.InvariantCulture)), fraction);

    private static Pattern Free(int digits) => digits == 0
        ? Pattern.Empty
        : Pattern.Optional(Pattern.Sequence(Pattern.Text("."), Pattern.Repeat(JsonText.Digit, 1, digits)));

    private static string FractionOf(decimal value)
    {
        string text = value.ToString(CultureInfo.InvariantCulture);
        int point = text.IndexOf('.', StringComparison.Ordinal);
        return point < 0 ? "" : text[(point + 1)..].TrimEnd('0');
    }

    /// <summary>Digits after the point between those of two bounds, which have no zeros at their ends.</summary>
    private sealed class Fractions(string low, bool lowIncluded, string high, bool highIncluded, int max)
    {
        /// <summary>What may follow the digits so far.</summary>
        /// <param name="at">How many there are.</param>
        /// <param name="onLow">Whether they are those of the lower bound.</param>
        /// <param name="onHigh">Whether they are those of the upper bound.</param>
        public Pattern? From(int at, bool onLow, bool onHigh)
        {
            if (!onLow && !onHigh)
                return at == 0 ? Free(max) : Pattern.Repeat(JsonText.Digit, 0, max - at);
            var ways = new List<Pattern>();
            if (MayEnd(at, onLow, onHigh))
                ways.Add(Pattern.Empty);
            char least = onLow && at < low.Length ? low[at] : '0';
            char most = !onHigh ? '9' : at < high.Length ? high[at] : '0';
            for (char digit = least; at < max && digit <= most; digit++)
            {
                if (From(at + 1, onLow && digit == (at < low.Length ? low[at] : '0'), onHigh && digit == most) is { } rest)
                    ways.Add(Pattern.Sequence(Pattern.Text(at == 0 ? $".{digit}" : $"{digit}"), rest));
            }
            return ways.Count == 0 ? null : Pattern.Choice(ways);
        }

        private bool MayEnd(int at, bool onLow, bool onHigh) =>
            (!onLow || (at >= low.Length && lowIncluded)) && (!onHigh || at < high.Length || highIncluded);
    }
}
