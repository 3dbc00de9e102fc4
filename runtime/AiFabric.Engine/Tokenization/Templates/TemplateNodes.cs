using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>What a statement does to the loop around it.</summary>
internal enum TemplateFlow
{
    Next,
    Break,
    Continue,
}

/// <summary>Part of a template that writes output.</summary>
internal abstract record TemplateNode
{
    public abstract TemplateFlow Write(TemplateScope scope, TemplateOutput output);

    public static TemplateFlow WriteAll(IReadOnlyList<TemplateNode> nodes, TemplateScope scope, TemplateOutput output)
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw new ChatTemplateException("chat_template: is nested too deeply.");
        foreach (var node in nodes)
        {
            scope.Run.Step();
            var flow = node.Write(scope, output);
            if (flow != TemplateFlow.Next)
                return flow;
        }
        return TemplateFlow.Next;
    }
}

internal sealed record LiteralNode(TemplateText Text) : TemplateNode
{
    public override TemplateFlow Write(TemplateScope scope, TemplateOutput output)
    {
        output.Write(Text);
        return TemplateFlow.Next;
    }
}

internal sealed record PrintNode(TemplateExpression Value) : TemplateNode
{
    public override TemplateFlow Write(TemplateScope scope, TemplateOutput output)
    {
        output.Write(PythonText.Of(Value.Evaluate(scope), scope.Run));
        return TemplateFlow.Next;
    }
}

/// <summary><c>break</c> and <c>continue</c>.</summary>
internal sealed record FlowNode(TemplateFlow Flow) : TemplateNode
{
    public override TemplateFlow Write(TemplateScope scope, TemplateOutput output) => Flow;
}

/// <summary><c>generation</c>, which marks the assistant's part for training: its body, and nothing else.</summary>
internal sealed record BodyNode(IReadOnlyList<TemplateNode> Body) : TemplateNode
{
    public override TemplateFlow Write(TemplateScope scope, TemplateOutput output) => WriteAll(Body, scope, output);
}

/// <summary>What a value is given to: one name, several, or a namespace's name.</summary>
internal sealed record TemplateTarget(string At, IReadOnlyList<string> Names, string? Member)
{
    public void Set(TemplateScope scope, object? value)
    {
        if (Member is not null)
        {
            if (scope.Get(Names[0]) is not TemplateNamespace space)
                throw new ChatTemplateException($"chat_template {At}: '{Names[0]}' is no namespace, so that '{Names[0]}.{Member}' cannot be set.");
            space[Member] = value;
            return;
        }
        if (Names.Count == 1)
        {
            scope.Set(Names[0], value);
            return;
        }
        if (TemplateValues.Items(value) is not { } items || items.Count != Names.Count)
            throw new ChatTemplateException($"chat_template {At}: {TemplateValues.KindOf(value)} cannot be taken apart into {Names.Count} names.");
        for (int i = 0; i < items.Count; i++)
            scope.Set(Names[i], items[i]);
    }
}

internal sealed record SetNode(TemplateTarget Target, TemplateExpression Value) : TemplateNode
{
    public override TemplateFlow Write(TemplateScope scope, TemplateOutput output)
    {
        Target.Set(scope, Value.Evaluate(scope));
        return TemplateFlow.Next;
    }
}

/// <summary><c>set name</c> … <c>endset</c>: the text its body writes, through filters where it names some.</summary>
/// <param name="Target">What gets the text.</param>
/// <param name="Filtered">The body's text, and the filters on it.</param>
internal sealed record SetBlockNode(TemplateTarget Target, TemplateExpression Filtered) : TemplateNode
{
    public override TemplateFlow Write(TemplateScope scope, TemplateOutput output)
    {
        Target.Set(scope, Filtered.Evaluate(scope));
        return TemplateFlow.Next;
    }
}

/// <summary>The text that a body writes.</summary>
internal sealed record BodyExpression(string At, IReadOnlyList<TemplateNode> Body) : TemplateExpression(At)
{
    protected override object? Compute(TemplateScope scope)
    {
        var output = new TemplateOutput(scope.Run);
        TemplateNode.WriteAll(Body, new TemplateScope(scope), output);
        return output.ToText();
    }
}

/// <param name="Branches">Conditions in order; the last may have none (<c>else</c>).</param>
internal sealed record IfNode(IReadOnlyList<(TemplateExpression? Condition, IReadOnlyList<TemplateNode> Body)> Branches) : TemplateNode
{
    public override TemplateFlow Write(TemplateScope scope, TemplateOutput output)
    {
        foreach (var (condition, body) in Branches)
        {
            if (condition is null || TemplateValues.IsTrue(condition.Evaluate(scope)))
                return WriteAll(body, scope, output);
        }
        return TemplateFlow.Next;
    }
}

/// <summary>A macro: a function that gives the text its body writes. It sees the template's own names, not those where it is called.</summary>
internal sealed record MacroNode(string Name, IReadOnlyList<(string Name, TemplateExpression? Absent)> Parameters, IReadOnlyList<TemplateNode> Body) : TemplateNode
{
    public override TemplateFlow Write(TemplateScope scope, TemplateOutput output)
    {
        string[] names = [.. Parameters.Select(p => p.Name)];
        scope.Set(Name, (TemplateFunction)(call =>
        {
            object?[] arguments = call.Bind(names);
            var inner = new TemplateScope(scope.Root);
            for (int i = 0; i < names.Length; i++)
                inner.Set(names[i], arguments[i] is Undefined && Parameters[i].Absent is { } absent ? absent.Evaluate(inner) : arguments[i]);
            var text = new TemplateOutput(scope.Run);
            WriteAll(Body, inner, text);
            return text.ToText();
        }));
        return TemplateFlow.Next;
    }
}
