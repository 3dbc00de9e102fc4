using System.Numerics;
using System.Text.Json;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>A mapping in the order of its entries; keys remember who wrote them.</summary>
internal sealed class TemplateMap
{
    private readonly OrderedDictionary<string, (TemplateText Key, object? Value)> entries = new(StringComparer.Ordinal);

    public int Count => entries.Count;

    public IEnumerable<(TemplateText Key, object? Value)> Entries => entries.Values;

    public object? this[string key] => entries.TryGetValue(key, out var entry) ? entry.Value : Undefined.Value;

    public bool Contains(string key) => entries.ContainsKey(key);

    public void Set(TemplateText key, object? value) => entries[key.Text] = (key, value);
}

/// <summary>The one kind of value that a template can change: <c>namespace(…)</c>.</summary>
internal sealed class TemplateNamespace
{
    private readonly Dictionary<string, object?> values = new(StringComparer.Ordinal);

    public object? this[string name]
    {
        get => values.TryGetValue(name, out object? value) ? value : Undefined.Value;
        set => values[name] = value;
    }
}

/// <summary>
/// What the values of a template have in common. A value is null, bool, long, <see cref="BigInteger"/> (to be printed only), double,
/// <see cref="TemplateText"/>, a list, <see cref="TemplateMap"/>, <see cref="TemplateNamespace"/>, <see cref="LoopState"/>,
/// <see cref="TemplateFunction"/> or <see cref="Undefined"/>.
/// </summary>
internal static class TemplateValues
{
    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined or false or 0L or 0.0 => false,
        TemplateText text => text.Length > 0,
        IReadOnlyList<object?> list => list.Count > 0,
        TemplateMap map => map.Count > 0,
        _ => true,
    };

    // As in Python, True is 1.
    public static bool AreEqual(object? left, object? right, TemplateRun run)
    {
        run.Enter();
        return (left, right) switch
        {
            (TemplateText a, TemplateText b) => a.Text == b.Text,
            (IReadOnlyList<object?> a, IReadOnlyList<object?> b) => a.Count == b.Count && a.Zip(b).All(pair => AreEqual(pair.First, pair.Second, run)),
            (TemplateMap a, TemplateMap b) => a.Count == b.Count && a.Entries.All(e => b.Contains(e.Key.Text) && AreEqual(e.Value, b[e.Key.Text], run)),
            (Undefined, Undefined) => true,
            (bool a, bool b) => a == b,
            _ when AsNumber(left) is { } a && AsNumber(right) is { } b => a == b,
            _ => Equals(left, right),
        };
    }

    /// <summary>The value as a floating-point number; null when it is none.</summary>
    public static double? AsNumber(object? value) => value switch
    {
        long integer => integer,
        double number => number,
        bool truth => truth ? 1 : 0,
        _ => null,
    };

    /// <summary>The items a loop or filter goes through: a list's, a mapping's keys, a text's characters; null when there are none to be had.</summary>
    public static IReadOnlyList<object?>? Items(object? value) => value switch
    {
        IReadOnlyList<object?> list => list,
        TemplateMap map => map.Entries.Select(object? (e) => e.Key).ToList(),
        TemplateText text => TextPositions.Characters(text),
        Undefined => [],
        _ => null,
    };

    public static string KindOf(object? value) => value switch
    {
        null => "none",
        Undefined => "an undefined value",
        bool => "a boolean",
        long or BigInteger => "an integer",
        double => "a number",
        TemplateText => "text",
        IReadOnlyList<object?> => "a list",
        TemplateMap => "a mapping",
        TemplateFunction => "a function",
        _ => "an object",
    };

    /// <summary>A client's JSON as a value; none of its text may be a control mark.</summary>
    public static object? FromJson(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.String => TemplateText.Of(json.GetString() ?? "", trusted: false),
        JsonValueKind.Number => NumberOf(json),
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Array => json.EnumerateArray().Select(FromJson).ToList(),
        JsonValueKind.Object => MapOf(json),
        _ => null,
    };

    private static object NumberOf(JsonElement json)
    {
        if (json.TryGetInt64(out long integer))
            return integer;
        // Schemas do hold bounds such as 2^64 - 1, which must be printed as they came.
        return BigInteger.TryParse(json.GetRawText(), System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out var large)
            ? large
            : json.GetDouble();
    }

    private static TemplateMap MapOf(JsonElement json)
    {
        var map = new TemplateMap();
        foreach (var property in json.EnumerateObject())
            map.Set(TemplateText.Of(property.Name, trusted: false), FromJson(property.Value));
        return map;
    }
}

/// <summary>Positions in a text count characters, as in Python, while .NET counts halves of surrogate pairs.</summary>
internal static class TextPositions
{
    /// <summary>Where each character begins, and the end.</summary>
    public static int[] Starts(string text)
    {
        var starts = new List<int>(text.Length + 1);
        for (int i = 0; i < text.Length; i += i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]) ? 2 : 1)
            starts.Add(i);
        starts.Add(text.Length);
        return [.. starts];
    }

    public static int Count(string text) => Starts(text).Length - 1;

    public static IReadOnlyList<object?> Characters(TemplateText text)
    {
        int[] starts = Starts(text.Text);
        var characters = new object?[starts.Length - 1];
        for (int i = 0; i < characters.Length; i++)
            characters[i] = text.Slice(starts[i], starts[i + 1] - starts[i]);
        return characters;
    }
}
