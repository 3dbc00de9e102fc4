namespace AiFabric.Engine.Constraints;

/// <summary>What an answer may be: a pattern, and the rules that it and they call. Rules may call each other and themselves.</summary>
/// <param name="Root">The whole answer.</param>
/// <param name="Rules">By name.</param>
public sealed record Grammar(Pattern Root, IReadOnlyDictionary<string, Pattern> Rules)
{
    /// <summary>A grammar without rules.</summary>
    public Grammar(Pattern root)
        : this(root, new Dictionary<string, Pattern>())
    {
    }

    /// <summary>The same without rules that nothing calls.</summary>
    internal Grammar Trimmed()
    {
        var used = new Dictionary<string, Pattern>();
        var open = new Stack<Pattern>([Root]);
        while (open.TryPop(out var pattern))
        {
            if (pattern is Pattern.Call call && used.TryAdd(call.Name, Rules[call.Name]))
                open.Push(Rules[call.Name]);
            foreach (var part in pattern.Parts())
                open.Push(part);
        }
        return new Grammar(Root, used);
    }
}

/// <summary>A schema, expression or grammar that cannot constrain an answer.</summary>
/// <param name="path">The part at fault, such as <c>properties.age.minimum</c>; empty for the whole.</param>
/// <param name="message">What is wrong with it and what to change, continuing the path's name: "is not supported".</param>
public sealed class GrammarException(string path, string message) : Exception(message)
{
    public string Path { get; } = path;
}
