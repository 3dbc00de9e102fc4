using System.Globalization;
using System.Numerics;
using System.Text;

namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>JSON as Python's <c>json.dumps(value, ensure_ascii=False, …)</c> writes it, which is what transformers' <c>tojson</c> calls.</summary>
/// <param name="itemSeparator">Between items.</param>
/// <param name="keySeparator">Between a key and its value.</param>
/// <param name="indent">What one level is indented by; null for one line.</param>
/// <param name="sortKeys">Whether keys are in ordinal order.</param>
/// <param name="asciiOnly">Whether other characters are written as escapes.</param>
/// <param name="run">The rendering, which bounds it.</param>
internal sealed class PythonJson(string itemSeparator, string keySeparator, string? indent, bool sortKeys, bool asciiOnly, TemplateRun run)
{
    private readonly StringBuilder json = new();

    /// <exception cref="ChatTemplateException">A part has no JSON form.</exception>
    public string Write(object? value)
    {
        Write(value, 0);
        return json.ToString();
    }

    private void Write(object? value, int level)
    {
        run.Enter();
        switch (value)
        {
            case null:
                json.Append("null");
                break;
            case bool truth:
                json.Append(truth ? "true" : "false");
                break;
            case long or BigInteger:
                json.Append(CultureInfo.InvariantCulture, $"{value}");
                break;
            case double number:
                json.Append(double.IsFinite(number) ? PythonText.Number(number) : double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
                break;
            case TemplateText text:
                WriteString(text.Text);
                break;
            case IReadOnlyList<object?> list:
                WriteItems('[', ']', list, level, item => Write(item, level + 1));
                break;
            case TemplateMap map:
                var entries = sortKeys ? map.Entries.OrderBy(e => e.Key.Text, StringComparer.Ordinal) : map.Entries;
                WriteItems('{', '}', [.. entries], level, entry =>
                {
                    WriteString(entry.Key.Text);
                    json.Append(keySeparator);
                    Write(entry.Value, level + 1);
                });
                break;
            default:
                throw new ChatTemplateException($"chat_template: tojson cannot write {TemplateValues.KindOf(value)}.");
        }
    }

    private void WriteItems<T>(char open, char close, IReadOnlyList<T> items, int level, Action<T> write)
    {
        json.Append(open);
        for (int i = 0; i < items.Count; i++)
        {
            if (i > 0)
                json.Append(itemSeparator);
            NewLine(level + 1);
            write(items[i]);
        }
        if (items.Count > 0)
            NewLine(level);
        json.Append(close);
    }

    private void NewLine(int level)
    {
        if (indent is null)
            return;
        json.Append('\n');
        for (int i = 0; i < level; i++)
            json.Append(indent);
    }

    private void WriteString(string text)
    {
        run.Charge(text.Length);
        json.Append('"');
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => json.Append("\\\""),
                '\\' => json.Append("\\\\"),
                '\n' => json.Append("\\n"),
                '\r' => json.Append("\\r"),
                '\t' => json.Append("\\t"),
                '\b' => json.Append("\\b"),
                '\f' => json.Append("\\f"),
                _ when c < ' ' || (asciiOnly && c > '~') => json.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => json.Append(c),
            };
        }
        json.Append('"');
    }
}
