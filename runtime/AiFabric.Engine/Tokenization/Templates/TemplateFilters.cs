using System.Collections.Frozen;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>The filters that templates may use, as Jinja defines them; <c>tojson</c> as transformers does.</summary>
internal static class TemplateFilters
{
    public static readonly FrozenDictionary<string, TemplateFunction> Known = new Dictionary<string, TemplateFunction>
    {
        ["trim"] = call => TextMethods.Strip(call with { Value = call.Print(call.Value) }, left: true, right: true),
        ["upper"] = call => TextMethods.Known["upper"](call with { Value = call.Print(call.Value) }),
        ["lower"] = call => TextMethods.Known["lower"](call with { Value = call.Print(call.Value) }),
        ["capitalize"] = call => TextMethods.Known["capitalize"](call with { Value = call.Print(call.Value) }),
        ["title"] = call => TextMethods.Known["title"](call with { Value = call.Print(call.Value) }),
        ["replace"] = call => TextMethods.Known["replace"](call with { Value = call.Print(call.Value) }),
        ["indent"] = Indent,
        ["string"] = call => call.Print(call.Value),
        ["safe"] = call => call.Value,
        ["tojson"] = ToJson,
        ["default"] = Default,
        ["d"] = Default,
        ["length"] = call => Length(call),
        ["count"] = call => Length(call),
        ["int"] = call => Integer(call.Value),
        ["float"] = call => call.Value is TemplateText text ? ParseNumber(text) : TemplateValues.AsNumber(call.Value) ?? 0.0,
        ["abs"] = call => call.Value is long integer and > long.MinValue
            ? (object)Math.Abs(integer)
            : Math.Abs(TemplateValues.AsNumber(call.Value) ?? throw call.Error("'abs' needs a number")),
        ["round"] = call => Math.Round(
            TemplateValues.AsNumber(call.Value) ?? throw call.Error("'round' needs a number"), Math.Clamp(call.IntegerOf(call.Bind("precision")[0], 0), 0, 15)),
    }.Concat(SequenceFilters.Known).ToFrozenDictionary();

    private static object? Default(TemplateCall call)
    {
        object?[] arguments = call.Bind("default_value", "boolean");
        bool absent = call.Value is Undefined || (TemplateValues.IsTrue(arguments[1]) && !TemplateValues.IsTrue(call.Value));
        return absent ? arguments[0] is Undefined ? TemplateText.Empty : arguments[0] : call.Value;
    }

    private static long Length(TemplateCall call) => call.Value switch
    {
        TemplateText text => (long)TextPositions.Count(text.Text),
        TemplateMap map => (long)map.Count,
        IReadOnlyList<object?> list => (long)list.Count,
        Undefined => 0L,
        _ => throw call.Error($"{TemplateValues.KindOf(call.Value)} has no length"),
    };

    private static long Integer(object? value) => value switch
    {
        long integer => integer,
        TemplateText text when long.TryParse(text.Text.Trim(), System.Globalization.CultureInfo.InvariantCulture, out long parsed) => parsed,
        TemplateText text => (long)ParseNumber(text),
        _ => (long)(TemplateValues.AsNumber(value) ?? 0),
    };

    private static double ParseNumber(TemplateText text) =>
        double.TryParse(text.Text.Trim(), System.Globalization.CultureInfo.InvariantCulture, out double number) ? number : 0;

    private static TemplateText ToJson(TemplateCall call)
    {
        object?[] arguments = call.Bind("indent", "ensure_ascii", "separators", "sort_keys");
        string? indent = arguments[0] switch
        {
            Undefined or null => null,
            TemplateText text => text.Text,
            object other => new string(' ', Math.Clamp(call.IntegerOf(other, 0), 0, 16)),
        };
        (string item, string key) = (indent is null ? ", " : ",", ": ");
        if (arguments[2] is IReadOnlyList<object?> and [TemplateText first, TemplateText second])
            (item, key) = (first.Text, second.Text);
        string json = new PythonJson(item, key, indent, TemplateValues.IsTrue(arguments[3]), TemplateValues.IsTrue(arguments[1]), call.Scope.Run).Write(call.Value);
        return TemplateText.Of(json, trusted: false);
    }

    // Lines after the first are indented; empty ones and the first only when asked for.
    private static TemplateText Indent(TemplateCall call)
    {
        object?[] arguments = call.Bind("width", "first", "blank");
        string width = arguments[0] is TemplateText text ? text.Text : new string(' ', Math.Clamp(call.IntegerOf(arguments[0], 4), 0, 64));
        var indent = TemplateText.Of(width, trusted: true);
        var lines = TextMethods.Cut(call.Print(call.Value), "\n", int.MaxValue);
        var indented = new List<TemplateText>();
        for (int i = 0; i < lines.Count; i++)
        {
            if (i > 0)
                indented.Add(TemplateText.Of("\n", trusted: true));
            if (i == 0 ? TemplateValues.IsTrue(arguments[1]) : lines[i].Length > 0 || TemplateValues.IsTrue(arguments[2]))
                indented.Add(indent);
            indented.Add(lines[i]);
        }
        call.Scope.Run.Charge(indented.Sum(part => (long)part.Length));
        return TemplateText.Concat(indented);
    }
}
