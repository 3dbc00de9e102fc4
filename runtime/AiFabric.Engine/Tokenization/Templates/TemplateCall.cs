namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>A filter, method, macro or global function.</summary>
internal delegate object? TemplateFunction(TemplateCall call);

/// <summary>One call of a filter, test, method, macro or global function.</summary>
/// <param name="Scope">Where it is called.</param>
/// <param name="At">Line and column, for messages.</param>
/// <param name="Name">What is called.</param>
/// <param name="Value">What a filter or test is applied to, or whose method it is.</param>
/// <param name="Positional">Arguments by position.</param>
/// <param name="Named">Arguments by name.</param>
internal sealed record TemplateCall(
    TemplateScope Scope, string At, string Name, object? Value, IReadOnlyList<object?> Positional, IReadOnlyList<KeyValuePair<string, object?>> Named)
{
    public ChatTemplateException Error(string problem) => new($"chat_template {At}: {problem}.");

    /// <summary>The arguments in the order of their names; <see cref="Undefined"/> where one is left out.</summary>
    /// <exception cref="ChatTemplateException">There are more, or others.</exception>
    public object?[] Bind(params ReadOnlySpan<string> names)
    {
        if (Positional.Count > names.Length)
            throw Error($"'{Name}' takes {names.Length} arguments at most");
        var bound = new object?[names.Length];
        Array.Fill(bound, Undefined.Value);
        for (int i = 0; i < Positional.Count; i++)
            bound[i] = Positional[i];
        foreach (var (name, value) in Named)
        {
            int index = names.IndexOf(name);
            if (index < 0)
                throw Error($"'{Name}' has no argument '{name}'");
            bound[index] = value;
        }
        return bound;
    }

    /// <summary>The value as text.</summary>
    public TemplateText Print(object? value) => PythonText.Of(value, Scope.Run);

    public bool Same(object? left, object? right) => TemplateValues.AreEqual(left, right, Scope.Run);

    /// <summary>The one argument.</summary>
    public object? One() => Positional.Count == 1 && Named.Count == 0 ? Positional[0] : throw Error($"'{Name}' takes one argument");

    public TemplateText TextOf(object? value) =>
        value as TemplateText ?? throw Error($"'{Name}' cannot be applied to {TemplateValues.KindOf(value)}; it needs text");

    public int IntegerOf(object? value, int absent) => value switch
    {
        Undefined or null => absent,
        long integer => (int)Math.Clamp(integer, int.MinValue, int.MaxValue),
        _ => throw Error($"'{Name}' needs an integer, not {TemplateValues.KindOf(value)}"),
    };

    /// <summary>The items of what a filter is applied to.</summary>
    public IReadOnlyList<object?> Items()
    {
        var items = TemplateValues.Items(Value) ?? throw Error($"'{Name}' cannot be applied to {TemplateValues.KindOf(Value)}");
        Scope.Run.Step(items.Count);
        return items;
    }
}
