namespace AiFabric.Engine.Constraints.Expressions;

/// <summary>
/// Regular expressions as ECMA-262 writes them, without what no finite automaton can tell: look-around and back references.
/// Supported: characters and escapes (<c>\d \w \s \D \W \S \n \r \t \f \v \0 \xHH \uHHHH \u{H}</c>), classes, <c>.</c>, groups, <c>|</c>,
/// <c>* + ? {m} {m,} {m,n}</c> (greedy or not), <c>^</c> and <c>$</c> at the ends.
/// </summary>
public static class RegularExpression
{
    /// <summary>Texts that an expression fits as a whole.</summary>
    /// <param name="expression">The expression.</param>
    /// <param name="path">Its name in errors.</param>
    /// <exception cref="GrammarException">It is malformed or uses something unsupported.</exception>
    public static Pattern Whole(string expression, string path = "") =>
        new ExpressionReader(expression, path, set => set.ToUtf8(), search: false).Read();

    /// <summary>Contents of JSON strings in which an expression fits somewhere, as JSON Schema's <c>pattern</c> asks.</summary>
    internal static Pattern InJson(string expression, string path) =>
        new ExpressionReader(expression, path, set => set.ToJson(), search: true).Read();

    /// <summary>Contents of JSON strings that an expression fits as a whole.</summary>
    internal static Pattern WholeInJson(string expression) =>
        new ExpressionReader(expression, "", set => set.ToJson(), search: false).Read();
}
