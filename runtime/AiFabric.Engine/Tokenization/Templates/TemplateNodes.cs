namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>Names and their values while a template runs. A loop's body has its own scope, as in Jinja.</summary>
internal sealed class TemplateScope(TemplateScope? parent = null)
{
    private readonly Dictionary<string, object?> values = [];

    public void Set(string name, object? value) => values[name] = value;

    public object? Get(string name) =>
        values.TryGetValue(name, out object? value) ? value : parent is null ? Undefined.Value : parent.Get(name);
}

/// <summary>The value of a name nobody set: prints nothing, counts as false.</summary>
internal sealed class Undefined
{
    public static readonly Undefined Value = new();
}

/// <summary>Part of a template that writes output.</summary>
internal abstract record TemplateNode
{
    public abstract void Write(TemplateScope scope, List<PromptSegment> output);

    protected static void WriteAll(IReadOnlyList<TemplateNode> nodes, TemplateScope scope, List<PromptSegment> output)
    {
        foreach (var node in nodes)
            node.Write(scope, output);
    }
}

internal sealed record LiteralNode(string Text) : TemplateNode
{
    public override void Write(TemplateScope scope, List<PromptSegment> output) => output.Add(new PromptSegment(Text, Trusted: true));
}

internal sealed record PrintNode(TemplateExpression Value) : TemplateNode
{
    public override void Write(TemplateScope scope, List<PromptSegment> output) => output.AddRange(TemplateValues.ToText(Value.Evaluate(scope)).Segments);
}

internal sealed record SetNode(string Name, TemplateExpression Value) : TemplateNode
{
    public override void Write(TemplateScope scope, List<PromptSegment> output) => scope.Set(Name, Value.Evaluate(scope));
}

/// <param name="Branches">Conditions in order; the last may have none (<c>else</c>).</param>
internal sealed record IfNode(IReadOnlyList<(TemplateExpression? Condition, IReadOnlyList<TemplateNode> Body)> Branches) : TemplateNode
{
    public override void Write(TemplateScope scope, List<PromptSegment> output)
    {
        foreach (var (condition, body) in Branches)
        {
            if (condition is null || TemplateValues.IsTrue(condition.Evaluate(scope)))
            {
                WriteAll(body, scope, output);
                return;
            }
        }
    }
}

internal sealed record ForNode(string Variable, TemplateExpression Items, IReadOnlyList<TemplateNode> Body) : TemplateNode
{
    public override void Write(TemplateScope scope, List<PromptSegment> output)
    {
        if (Items.Evaluate(scope) is not IReadOnlyList<object?> items)
            throw Items.Error("only a list can be looped over");
        for (int i = 0; i < items.Count; i++)
        {
            var inner = new TemplateScope(scope);
            inner.Set(Variable, items[i]);
            inner.Set("loop", new Dictionary<string, object?>
            {
                ["index0"] = i,
                ["index"] = i + 1,
                ["first"] = i == 0,
                ["last"] = i == items.Count - 1,
                ["length"] = items.Count,
            });
            WriteAll(Body, inner, output);
        }
    }
}
