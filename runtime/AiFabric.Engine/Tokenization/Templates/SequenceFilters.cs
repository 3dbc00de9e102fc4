using System.Collections.Frozen;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>Filters on lists and mappings.</summary>
internal static class SequenceFilters
{
    public static readonly IReadOnlyDictionary<string, TemplateFunction> Known = new Dictionary<string, TemplateFunction>
    {
        ["list"] = call => call.Items().ToList(),
        ["items"] = call => TemplateMethods.Items(call),
        ["first"] = call => call.Items() is [var first, ..] ? first : Undefined.Value,
        ["last"] = call => call.Items() is [.., var last] ? last : Undefined.Value,
        ["reverse"] = call => call.Value is TemplateText text ? TemplateText.Concat(TextPositions.Characters(text).Reverse().Cast<TemplateText>()) : call.Items().Reverse().ToList(),
        ["join"] = Join,
        ["map"] = Map,
        ["select"] = call => Keep(call, attribute: false, keep: true),
        ["reject"] = call => Keep(call, attribute: false, keep: false),
        ["selectattr"] = call => Keep(call, attribute: true, keep: true),
        ["rejectattr"] = call => Keep(call, attribute: true, keep: false),
        ["sort"] = Sort,
        ["dictsort"] = call => Ordered(call, TemplateMethods.Items(call), Key),
        ["unique"] = Unique,
        ["sum"] = call => call.Items().Aggregate((object)0L, (sum, item) => Add(call, sum, item)),
        ["min"] = call => Ordered(call, call.Items(), item => item) is [var least, ..] ? least : Undefined.Value,
        ["max"] = call => Ordered(call, call.Items(), item => item) is [.., var most] ? most : Undefined.Value,
    };

    private static object? Key(object? pair) => ((IReadOnlyList<object?>)pair!)[0]; // The method items gives pairs.

    // An attribute's path, such as "function.name".
    private static object? Attribute(TemplateCall call, object? value, object? path)
    {
        if (path is long index)
            return value is IReadOnlyList<object?> list && index >= 0 && index < list.Count ? list[(int)index] : Undefined.Value;
        foreach (string name in call.Print(path).Text.Split('.'))
            value = IndexExpression.Entry(value, name);
        return value;
    }

    private static TemplateText Join(TemplateCall call)
    {
        object?[] arguments = call.Bind("d", "attribute");
        var separator = call.Print(arguments[0]);
        var parts = new List<TemplateText>();
        foreach (object? item in call.Items())
        {
            if (parts.Count > 0)
                parts.Add(separator);
            parts.Add(call.Print(arguments[1] is Undefined ? item : Attribute(call, item, arguments[1])));
        }
        call.Scope.Run.Charge(parts.Sum(part => (long)part.Length));
        return TemplateText.Concat(parts);
    }

    private static List<object?> Map(TemplateCall call)
    {
        if (call.Positional.Count == 0)
        {
            object?[] arguments = call.Bind("attribute", "default");
            return call.Items().Select(item => Attribute(call, item, arguments[0]) is var value && value is Undefined ? arguments[1] : value).ToList();
        }
        var filter = Find(call, TemplateFilters.Known, "filter", call.Positional[0]);
        var rest = call.Positional.Skip(1).ToList();
        return call.Items().Select(item => filter(call with { Value = item, Positional = rest })).ToList();
    }

    private static List<object?> Keep(TemplateCall call, bool attribute, bool keep)
    {
        int skip = attribute ? 1 : 0;
        if (call.Positional.Count < skip)
            throw call.Error($"'{call.Name}' needs the name of an attribute");
        TemplateFunction test = call.Positional.Count > skip ? Find(call, TemplateTests.Known, "test", call.Positional[skip]) : c => TemplateValues.IsTrue(c.Value);
        var rest = call.Positional.Skip(skip + 1).ToList();
        return call.Items()
            .Where(item => TemplateValues.IsTrue(test(call with { Value = attribute ? Attribute(call, item, call.Positional[0]) : item, Positional = rest })) == keep)
            .ToList();
    }

    private static TemplateFunction Find(TemplateCall call, FrozenDictionary<string, TemplateFunction> known, string kind, object? name) =>
        known.TryGetValue(call.Print(name).Text, out var function) ? function : throw call.Error($"the {kind} '{call.Print(name).Text}' is not supported");

    private static List<object?> Sort(TemplateCall call)
    {
        object?[] arguments = call.Bind("reverse", "case_sensitive", "attribute");
        bool exact = TemplateValues.IsTrue(arguments[1]);
        object? KeyOf(object? item)
        {
            object? key = arguments[2] is Undefined or null ? item : Attribute(call, item, arguments[2]);
            return key is TemplateText text && !exact ? text.Map(t => t.ToLowerInvariant()) : key;
        }

        return Ordered(call, call.Items(), KeyOf, TemplateValues.IsTrue(arguments[0]));
    }

    private static List<object?> Ordered(TemplateCall call, IReadOnlyList<object?> items, Func<object?, object?> key, bool descending = false)
    {
        var order = Comparer<object?>.Create((a, b) => Order(call, a, b));
        try
        {
            return [.. descending ? items.OrderByDescending(key, order) : items.OrderBy(key, order)];
        }
        catch (InvalidOperationException e) when (e.InnerException is ChatTemplateException refusal)
        {
            throw new ChatTemplateException(refusal.Message); // Sorting wraps what a comparison throws.
        }
    }

    private static List<object?> Unique(TemplateCall call)
    {
        var unique = new List<object?>();
        foreach (object? item in call.Items())
        {
            call.Scope.Run.Step(unique.Count);
            if (!unique.Exists(other => call.Same(other, item)))
                unique.Add(item);
        }
        return unique;
    }

    private static int Order(TemplateCall call, object? left, object? right)
    {
        call.Scope.Run.Step();
        if (left is TemplateText a && right is TemplateText b)
            return string.CompareOrdinal(a.Text, b.Text);
        return TemplateValues.AsNumber(left) is { } x && TemplateValues.AsNumber(right) is { } y
            ? x.CompareTo(y)
            : throw call.Error($"'{call.Name}' cannot order {TemplateValues.KindOf(left)} and {TemplateValues.KindOf(right)}");
    }

    private static object Add(TemplateCall call, object sum, object? item) => (sum, item) switch
    {
        (long a, long b) => (object)unchecked(a + b),
        _ when TemplateValues.AsNumber(sum) is { } x && TemplateValues.AsNumber(item) is { } y => x + y,
        _ => throw call.Error($"'sum' cannot add {TemplateValues.KindOf(item)}"),
    };
}
