using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>The functions that Jinja and transformers give to every template.</summary>
internal static class TemplateGlobals
{
    public static readonly FrozenDictionary<string, TemplateFunction> Known = new Dictionary<string, TemplateFunction>
    {
        ["range"] = Range,
        ["namespace"] = Namespace,
        ["dict"] = Dictionary,
        ["raise_exception"] = call => throw new ChatTemplateException(call.Print(call.One()).Text),
        ["strftime_now"] = call => TemplateText.Of(Date(call, call.TextOf(call.One()).Text), trusted: true),
    }.ToFrozenDictionary();

    private static List<object?> Range(TemplateCall call)
    {
        object?[] arguments = call.Bind("start", "stop", "step");
        bool one = arguments[1] is Undefined;
        long start = one ? 0 : call.IntegerOf(arguments[0], 0), stop = call.IntegerOf(arguments[one ? 0 : 1], 0), step = call.IntegerOf(arguments[2], 1);
        if (step == 0)
            throw call.Error("the step of a range cannot be 0");
        var range = new List<object?>();
        for (long i = start; step > 0 ? i < stop : i > stop; i += step)
        {
            call.Scope.Run.Step();
            range.Add(i);
        }
        return range;
    }

    private static TemplateNamespace Namespace(TemplateCall call)
    {
        var space = new TemplateNamespace();
        foreach (var (key, value) in call.Positional.OfType<TemplateMap>().SelectMany(map => map.Entries))
            space[key.Text] = value;
        foreach (var (name, value) in call.Named)
            space[name] = value;
        return space;
    }

    private static TemplateMap Dictionary(TemplateCall call)
    {
        var map = new TemplateMap();
        foreach (var (key, value) in call.Positional.OfType<TemplateMap>().SelectMany(m => m.Entries))
            map.Set(key, value);
        foreach (var (name, value) in call.Named)
            map.Set(TemplateText.Of(name, trusted: true), value);
        return map;
    }

    private static string Date(TemplateCall call, string format)
    {
        var date = new StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                date.Append(format[i]);
                continue;
            }
            char code = format[++i];
            bool bare = code == '-' && i + 1 < format.Length; // glibc: no leading zero.
            if (bare)
                code = format[++i];
            string part = Part(call, code);
            date.Append(bare ? part.TrimStart('0') : part);
        }
        return date.ToString();
    }

    private static string Part(TemplateCall call, char code)
    {
        var now = call.Scope.Run.Now;
        string? format = code switch
        {
            'd' => "dd",
            'm' => "MM",
            'Y' => "yyyy",
            'y' => "yy",
            'b' => "MMM",
            'B' => "MMMM",
            'a' => "ddd",
            'A' => "dddd",
            'H' => "HH",
            'I' => "hh",
            'M' => "mm",
            'S' => "ss",
            'p' => "tt",
            'F' => "yyyy-MM-dd",
            'T' => "HH:mm:ss",
            _ => null,
        };
        return code switch
        {
            '%' => "%",
            'j' => now.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            _ => now.ToString(format ?? throw call.Error($"strftime_now does not know '%{code}'"), CultureInfo.InvariantCulture),
        };
    }
}
