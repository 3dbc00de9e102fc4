using System.Text.RegularExpressions;

namespace AiFabric.Tests.Chart;

/// <summary>Reads as much of PromQL as tells which metrics an expression is about.</summary>
internal static partial class PromQl
{
    /// <summary>All that our expressions call and join with. An expression with another function fails the test, which is then to be extended.</summary>
    private static readonly HashSet<string> Words =
        ["sum", "min", "max", "rate", "increase", "absent", "time", "histogram_quantile", "label_values", "and", "or", "unless"];

    public static IReadOnlyCollection<string> MetricsOf(string expression)
    {
        string bare = Selector().Replace(expression, " ");
        bare = Range().Replace(bare, " ");
        bare = Grouping().Replace(bare, " ");
        bare = VariableArgument().Replace(bare, ")");
        return [.. Identifier().Matches(bare).Select(match => match.Value).Where(word => !Words.Contains(word)).Distinct()];
    }

    [GeneratedRegex("\\{[^}]*\\}")]
    private static partial Regex Selector();

    [GeneratedRegex(@"\[[^\]]*\]")]
    private static partial Regex Range();

    [GeneratedRegex(@"\b(by|without|on|ignoring)\s*\([^)]*\)")]
    private static partial Regex Grouping();

    // label_values(metric, label)
    [GeneratedRegex(@",\s*[a-z_]+\)$")]
    private static partial Regex VariableArgument();

    [GeneratedRegex("[a-zA-Z_:][a-zA-Z0-9_:]*")]
    private static partial Regex Identifier();
}
