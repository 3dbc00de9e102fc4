using System.Globalization;
using System.Numerics;
using System.Text;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>How Python writes values: Jinja prints them so, and models were trained on prompts that hold them.</summary>
internal static class PythonText
{
    /// <summary>Python's <c>str(value)</c>.</summary>
    /// <exception cref="ChatTemplateException">A function or namespace would be printed, which prints memory addresses in Python.</exception>
    public static TemplateText Of(object? value, TemplateRun run) => value switch
    {
        TemplateText text => text,
        Undefined => TemplateText.Empty,
        null or bool or long or double => TemplateText.Of(Scalar(value), trusted: true),
        BigInteger => TemplateText.Of(Scalar(value), trusted: false),
        _ => TemplateText.Of(Represent(value, run), trusted: false),
    };

    /// <summary>Python's <c>repr(float)</c>: the shortest digits that read back, an exponent from 1e16 on and below 1e-4.</summary>
    public static string Number(double value)
    {
        if (!double.IsFinite(value))
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        string shortest = value.ToString("R", CultureInfo.InvariantCulture);
        if (!shortest.Contains('E', StringComparison.Ordinal))
            return shortest.Contains('.', StringComparison.Ordinal) ? shortest : shortest + ".0";
        // .NET changes to an exponent at 1e15 already.
        return Math.Abs(value) is >= 1e15 and < 1e16 ? value.ToString("F1", CultureInfo.InvariantCulture) : shortest.Replace('E', 'e');
    }

    private static string Scalar(object? value) => value switch
    {
        null => "None",
        bool truth => truth ? "True" : "False",
        double number => Number(number),
        IFormattable other => other.ToString(null, CultureInfo.InvariantCulture),
        _ => "",
    };

    private static string Represent(object? value, TemplateRun run)
    {
        run.Enter();
        string text = value switch
        {
            TemplateText inner => Quote(inner.Text),
            IReadOnlyList<object?> list => $"[{string.Join(", ", list.Select(item => Represent(item, run)))}]",
            TemplateMap map => $"{{{string.Join(", ", map.Entries.Select(e => $"{Quote(e.Key.Text)}: {Represent(e.Value, run)}"))}}}",
            null or bool or long or double or BigInteger => Scalar(value),
            Undefined => "Undefined",
            _ => throw new ChatTemplateException($"chat_template prints {TemplateValues.KindOf(value)}; only data can be printed."),
        };
        run.Charge(text.Length);
        return text;
    }

    private static string Quote(string text)
    {
        char quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        var quoted = new StringBuilder().Append(quote);
        foreach (char c in text)
        {
            _ = c switch
            {
                '\\' => quoted.Append("\\\\"),
                '\n' => quoted.Append("\\n"),
                '\r' => quoted.Append("\\r"),
                '\t' => quoted.Append("\\t"),
                _ when c == quote => quoted.Append('\\').Append(c),
                _ when c < ' ' || (c >= 0x7F && c <= 0xA0) || c == 0xAD => quoted.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}"),
                _ => quoted.Append(c),
            };
        }
        return quoted.Append(quote).ToString();
    }
}
