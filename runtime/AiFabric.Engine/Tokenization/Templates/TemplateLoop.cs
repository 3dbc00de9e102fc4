namespace AiFabric.Engine.Tokenization.Templates;

/// <summary><c>for … in … if …</c>, with <c>else</c> for no items.</summary>
internal sealed record ForNode(
    TemplateTarget Target, TemplateExpression Items, TemplateExpression? Condition, IReadOnlyList<TemplateNode> Body, IReadOnlyList<TemplateNode> Otherwise) : TemplateNode
{
    public override TemplateFlow Write(TemplateScope scope, TemplateOutput output)
    {
        object? value = Items.Evaluate(scope);
        var items = TemplateValues.Items(value) ?? throw Items.Error($"{TemplateValues.KindOf(value)} cannot be looped over");
        scope.Run.Step(items.Count);
        if (Condition is not null)
            items = [.. items.Where(item => Keeps(scope, Condition, item))];
        for (int i = 0; i < items.Count; i++)
        {
            var inner = new TemplateScope(scope);
            Target.Set(inner, items[i]);
            inner.Set("loop", new LoopState(items, i));
            if (WriteAll(Body, inner, output) == TemplateFlow.Break)
                break;
        }
        if (items.Count == 0)
            WriteAll(Otherwise, new TemplateScope(scope), output);
        return TemplateFlow.Next;
    }

    private bool Keeps(TemplateScope scope, TemplateExpression condition, object? item)
    {
        var inner = new TemplateScope(scope);
        Target.Set(inner, item);
        return TemplateValues.IsTrue(condition.Evaluate(inner));
    }
}

/// <summary>What <c>loop</c> knows inside a loop's body.</summary>
internal sealed class LoopState(IReadOnlyList<object?> items, int index)
{
    public object? this[string name] => name switch
    {
        "index" => index + 1L,
        "index0" => (long)index,
        "revindex" => (long)(items.Count - index),
        "revindex0" => items.Count - index - 1L,
        "first" => index == 0,
        "last" => index == items.Count - 1,
        "length" => (long)items.Count,
        "previtem" => index > 0 ? items[index - 1] : Undefined.Value,
        "nextitem" => index + 1 < items.Count ? items[index + 1] : Undefined.Value,
        _ => Undefined.Value,
    };
}
