using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>Part of a template that has a value; see <see cref="TemplateValues"/>.</summary>
/// <param name="At">Line and column, for messages.</param>
internal abstract record TemplateExpression(string At)
{
    /// <exception cref="ChatTemplateException">It has none, or the rendering has taken too long.</exception>
    public object? Evaluate(TemplateScope scope)
    {
        scope.Run.Step();
        return RuntimeHelpers.TryEnsureSufficientExecutionStack() ? Compute(scope) : throw Error("is nested too deeply");
    }

    public ChatTemplateException Error(string problem) => new($"chat_template {At}: {problem}.");

    protected abstract object? Compute(TemplateScope scope);
}

internal sealed record ConstantExpression(string At, object? Value) : TemplateExpression(At)
{
    protected override object? Compute(TemplateScope scope) => Value;
}

internal sealed record NameExpression(string At, string Name) : TemplateExpression(At)
{
    protected override object? Compute(TemplateScope scope) => scope.Get(Name);
}

internal sealed record ListExpression(string At, IReadOnlyList<TemplateExpression> Items) : TemplateExpression(At)
{
    protected override object? Compute(TemplateScope scope)
    {
        var list = new List<object?>(Items.Count);
        foreach (var item in Items)
            list.Add(item.Evaluate(scope));
        return list;
    }
}

internal sealed record MapExpression(string At, IReadOnlyList<(TemplateExpression Key, TemplateExpression Value)> Entries) : TemplateExpression(At)
{
    protected override object? Compute(TemplateScope scope)
    {
        var map = new TemplateMap();
        foreach (var (key, value) in Entries)
            map.Set(key.Evaluate(scope) as TemplateText ?? throw key.Error("only text can be the key of a mapping"), value.Evaluate(scope));
        return map;
    }
}

/// <summary><c>a.name</c>: a method where the value has one of that name, else an entry, as in Jinja.</summary>
internal sealed record AttributeExpression(string At, TemplateExpression Target, string Name) : TemplateExpression(At)
{
    protected override object? Compute(TemplateScope scope)
    {
        object? target = Target.Evaluate(scope);
        scope.Run.Weigh(target);
        if (target is Undefined)
            throw Error($"'{Name}' is asked of an undefined value");
        return TemplateMethods.Find(target, Name) is { } method
            ? (TemplateFunction)(call => method(call with { Value = target }))
            : IndexExpression.Entry(target, Name);
    }
}

internal sealed record IndexExpression(string At, TemplateExpression Target, TemplateExpression Index) : TemplateExpression(At)
{
    /// <summary>The entry of a mapping, namespace or loop; undefined when it has none.</summary>
    public static object? Entry(object? target, string name) => target switch
    {
        TemplateMap map => map[name],
        TemplateNamespace space => space[name],
        LoopState loop => loop[name],
        _ => Undefined.Value,
    };

    protected override object? Compute(TemplateScope scope)
    {
        object? target = Target.Evaluate(scope), index = Index.Evaluate(scope);
        scope.Run.Weigh(target);
        if (target is Undefined)
            throw Error("the value that is indexed is undefined");
        return (target, index) switch
        {
            (_, TemplateText name) => Entry(target, name.Text),
            (IReadOnlyList<object?> list, long i) => ItemAt(list, i),
            (TemplateText text, long i) => ItemAt(TextPositions.Characters(text), i),
            (TemplateMap, _) => Undefined.Value,
            _ => throw Error("only mappings by name, lists and text by position can be indexed"),
        };
    }

    private static object? ItemAt(IReadOnlyList<object?> list, long index)
    {
        long position = index < 0 ? index + list.Count : index;
        return position >= 0 && position < list.Count ? list[(int)position] : Undefined.Value;
    }
}

/// <summary><c>list[start:stop:step]</c> of a list or text; negative positions count from the end.</summary>
internal sealed record SliceExpression(string At, TemplateExpression Target, TemplateExpression? Start, TemplateExpression? Stop, TemplateExpression? Step)
    : TemplateExpression(At)
{
    protected override object? Compute(TemplateScope scope)
    {
        object? target = Target.Evaluate(scope);
        long step = Position(Step, scope) ?? 1;
        if (step == 0)
            throw Error("the step of a slice cannot be 0");
        var items = target is TemplateText or IReadOnlyList<object?> ? TemplateValues.Items(target)! : throw Error("only a list or text can be sliced"); // Both have items.
        scope.Run.Step(items.Count);
        long count = items.Count;
        long start = Bound(Position(Start, scope), count, step, step > 0 ? 0 : count - 1);
        long stop = Bound(Position(Stop, scope), count, step, step > 0 ? count : -1);
        var slice = new List<object?>();
        for (long i = start; step > 0 ? i < stop : i > stop; i += step)
            slice.Add(items[(int)i]);
        return target is TemplateText ? TemplateText.Concat(slice.Cast<TemplateText>()) : slice;
    }

    private long? Position(TemplateExpression? expression, TemplateScope scope) => expression?.Evaluate(scope) switch
    {
        null => null,
        long position => Math.Clamp(position, int.MinValue, int.MaxValue),
        _ => throw Error("a slice needs integers"),
    };

    // Python's rule: a position beyond an end means that end, which lies before the first item for negative steps.
    private static long Bound(long? position, long count, long step, long absent)
    {
        if (position is not { } p)
            return absent;
        return step > 0 ? Math.Clamp(p < 0 ? p + count : p, 0, count) : Math.Clamp(p < 0 ? p + count : p, -1, count - 1);
    }
}

/// <summary><c>value if condition else other</c>.</summary>
internal sealed record ConditionalExpression(string At, TemplateExpression Value, TemplateExpression Condition, TemplateExpression? Other) : TemplateExpression(At)
{
    protected override object? Compute(TemplateScope scope) =>
        TemplateValues.IsTrue(Condition.Evaluate(scope)) ? Value.Evaluate(scope) : Other is null ? Undefined.Value : Other.Evaluate(scope);
}

internal sealed record NotExpression(string At, TemplateExpression Operand) : TemplateExpression(At)
{
    protected override object? Compute(TemplateScope scope) => !TemplateValues.IsTrue(Operand.Evaluate(scope));
}

/// <summary><c>name(…)</c>, <c>value.method(…)</c>, <c>value | filter(…)</c> or <c>value is test(…)</c>.</summary>
/// <param name="At">Where it stands.</param>
/// <param name="Name">What is called, for messages.</param>
/// <param name="Function">The function; null for a filter or test, which is known when the template is read.</param>
/// <param name="Known">The filter or test.</param>
/// <param name="Operand">What the filter or test is applied to.</param>
/// <param name="Positional">Arguments by position.</param>
/// <param name="Named">Arguments by name.</param>
internal sealed record CallExpression(
    string At, string Name, TemplateExpression? Function, TemplateFunction? Known, TemplateExpression? Operand,
    IReadOnlyList<TemplateExpression> Positional, IReadOnlyList<(string Name, TemplateExpression Value)> Named) : TemplateExpression(At)
{
    protected override object? Compute(TemplateScope scope)
    {
        var function = Known ?? Function?.Evaluate(scope) as TemplateFunction ?? throw Error($"'{Name}' is no function here");
        object? operand = Operand?.Evaluate(scope);
        scope.Run.Weigh(operand);
        var positional = new object?[Positional.Count];
        for (int i = 0; i < positional.Length; i++)
            positional[i] = Positional[i].Evaluate(scope);
        var named = new KeyValuePair<string, object?>[Named.Count];
        for (int i = 0; i < named.Length; i++)
            named[i] = new(Named[i].Name, Named[i].Value.Evaluate(scope));
        return function(new TemplateCall(scope, At, Name, operand, positional, named));
    }
}
