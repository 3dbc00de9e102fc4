using System.Collections.Frozen;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>Methods of values. Those that would change a value are not among them, as in transformers' sandbox.</summary>
internal static class TemplateMethods
{
    private static readonly FrozenDictionary<string, TemplateFunction> OfMaps = new Dictionary<string, TemplateFunction>
    {
        ["items"] = Items,
        ["keys"] = call => Map(call).Entries.Select(object? (e) => e.Key).ToList(),
        ["values"] = call => Map(call).Entries.Select(e => e.Value).ToList(),
        ["get"] = call => call.Bind("key", "default") is var a && Map(call)[call.TextOf(a[0]).Text] is var value && value is not Undefined ? value : a[1] is Undefined ? null : a[1],
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, TemplateFunction> OfLists = new Dictionary<string, TemplateFunction>
    {
        ["index"] = call => call.Items().ToList().FindIndex(item => call.Same(item, call.One())) is var at and >= 0 ? (long)at : throw call.Error("the list does not hold this item"),
        ["count"] = call => call.Items().LongCount(item => call.Same(item, call.One())),
    }.ToFrozenDictionary();

    /// <summary>Whether any value has a method of this name.</summary>
    public static bool Knows(string name) => OfMaps.ContainsKey(name) || OfLists.ContainsKey(name) || TextMethods.Known.ContainsKey(name);

    public static TemplateFunction? Find(object? value, string name) => value switch
    {
        TemplateText => TextMethods.Known.GetValueOrDefault(name),
        TemplateMap => OfMaps.GetValueOrDefault(name),
        IReadOnlyList<object?> => OfLists.GetValueOrDefault(name),
        _ => null,
    };

    /// <summary>The key-value pairs of a mapping.</summary>
    public static List<object?> Items(TemplateCall call)
    {
        if (call.Value is Undefined)
            return [];
        call.Scope.Run.Step(Map(call).Count);
        return Map(call).Entries.Select(object? (e) => new List<object?> { e.Key, e.Value }).ToList();
    }

    private static TemplateMap Map(TemplateCall call) =>
        call.Value as TemplateMap ?? throw call.Error($"'{call.Name}' cannot be applied to {TemplateValues.KindOf(call.Value)}; it needs a mapping");
}
