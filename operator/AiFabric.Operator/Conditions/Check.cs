namespace AiFabric.Operator.Conditions;

/// <summary>One thing that must hold for a condition to be true, with what to say when it does not.</summary>
/// <param name="Holds">Whether it holds.</param>
/// <param name="Reason">CamelCase, for machines (see <see cref="Reasons"/>).</param>
/// <param name="Message">A sentence for people. It must not change while nothing changes: each new text is a write.</param>
internal readonly record struct Check(bool Holds, string Reason, string Message)
{
    private const int MaxQuote = 512;

    public static Check Pass => new(true, string.Empty, string.Empty);

    public static Check Fail(string reason, string message) => new(false, reason, message);

    /// <summary>Somebody else's words as a part of a message: one line, cut at <see cref="MaxQuote"/> characters.</summary>
    public static string Quote(string text)
    {
        string line = text.ReplaceLineEndings(" ");
        return line.Length <= MaxQuote ? line : line[..MaxQuote] + "…";
    }

    /// <summary>The first of <paramref name="checks"/> that does not hold; null when all do.</summary>
    public static Check? FirstFailure(IEnumerable<Check> checks)
    {
        foreach (Check check in checks)
        {
            if (!check.Holds)
                return check;
        }
        return null;
    }
}

/// <summary>A condition's three values.</summary>
internal static class ConditionStatus
{
    public const string True = "True";
    public const string False = "False";
    public const string Unknown = "Unknown";

    public static string Of(bool value) => value ? True : False;
}
