using System.Globalization;

namespace AiFabric.Engine.Constraints.Json;

/// <summary>Whole numbers between bounds, digit by digit.</summary>
internal static class IntegerRange
{
    /// <summary>The largest absolute value of a bound: 10^18.</summary>
    public const long Largest = 1_000_000_000_000_000_000;

    /// <summary>The numbers from one to another, both included.</summary>
    /// <returns>Null when there is none.</returns>
    public static Pattern? Of(long min, long max)
    {
        if (min > max)
            return null;
        var ways = new List<Pattern>();
        if (min < 0)
            ways.Add(Pattern.Sequence(Pattern.Text("-"), Positive(Math.Max(1, -max), -min)));
        if (min <= 0 && max >= 0)
            ways.Add(Pattern.Text("0"));
        if (max > 0)
            ways.Add(Positive(Math.Max(1, min), max));
        return Pattern.Choice(ways);
    }

    /// <summary>Any digits.</summary>
    public static Pattern Digits(int count) => Pattern.Repeat(JsonText.Digit, count, count);

    /// <summary>One digit of a range.</summary>
    public static Pattern Digit(char first, char last) => Pattern.Bytes((byte)first, (byte)last);

    private static Pattern Positive(long min, long max)
    {
        var ways = new List<Pattern>();
        for (long start = min; start <= max;)
        {
            string low = start.ToString(CultureInfo.InvariantCulture);
            // 19 digits are those of the largest bound alone.
            long end = low.Length > 18 ? max : Math.Min(max, (long)Math.Pow(10, low.Length) - 1);
            ways.Add(SameLength(low, end.ToString(CultureInfo.InvariantCulture), 0));
            start = end + 1;
        }
        return Pattern.Choice(ways);
    }

    private static Pattern SameLength(string low, string high, int at)
    {
        if (at == low.Length)
            return Pattern.Empty;
        if (low[at] == high[at])
            return Pattern.Sequence(Digit(low[at], low[at]), SameLength(low, high, at + 1));
        List<Pattern> ways = [Pattern.Sequence(Digit(low[at], low[at]), AtLeast(low, at + 1)), Pattern.Sequence(Digit(high[at], high[at]), AtMost(high, at + 1))];
        if (high[at] - low[at] > 1)
            ways.Add(Pattern.Sequence(Digit((char)(low[at] + 1), (char)(high[at] - 1)), Digits(low.Length - at - 1)));
        return Pattern.Choice(ways);
    }

    private static Pattern AtLeast(string low, int at)
    {
        if (at == low.Length)
            return Pattern.Empty;
        var same = Pattern.Sequence(Digit(low[at], low[at]), AtLeast(low, at + 1));
        return low[at] == '9' ? same : Pattern.Choice(same, Pattern.Sequence(Digit((char)(low[at] + 1), '9'), Digits(low.Length - at - 1)));
    }

    private static Pattern AtMost(string high, int at)
    {
        if (at == high.Length)
            return Pattern.Empty;
        var same = Pattern.Sequence(Digit(high[at], high[at]), AtMost(high, at + 1));
        return high[at] == '0' ? same : Pattern.Choice(same, Pattern.Sequence(Digit('0', (char)(high[at] - 1)), Digits(high.Length - at - 1)));
    }
}
