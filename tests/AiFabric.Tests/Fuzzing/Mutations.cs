using System.Text;
using System.Text.Json;
using CsCheck;

namespace AiFabric.Tests.Fuzzing;

/// <summary>Files that are almost valid, and JSON that is valid and means nothing.</summary>
internal static class Mutations
{
    // Raw, since some of it no JSON library would write.
    private static readonly string[] OddValues =
    [
        "null", "true", "false", "0", "-1", "1", "0.5", "2147483647", "2147483648", "-9223372036854775808", "9223372036854775807", "18446744073709551616",
        "1e400", "-1e-400", "1.0000000000000000000000000000000000000000001", "\"\"", "\"\\ud800\"", "\"\\u0000\"", "\"\\udc00\\ud800\"", "\"\u00ff\ud83d\ude00\"",
        "\"(\"", "\"../../etc/passwd\"", "[]", "{}", "[[]]", "[null]", "[1]", "[\"\"]", "[\"a\",\"b\"]", "[0,9223372036854775807]", "{\"\":null}", "{\"a\":{\"a\":{}}}",
        "{\"a\":1,\"a\":2}", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    ];

    private static readonly string[] OddNames = ["\"\"", "\"\\ud800\"", "\"model\"", "\"__metadata__\"", "\"\\u0000\"", "\"type\"", "\"\u00e9\""];

    private static readonly Gen<Edit> AnyEdit = Gen.Select(Gen.Double.Unit, Gen.Enum<EditKind>(), Gen.Int[0, 1_000], (where, kind, choice) => new Edit(where, kind, choice));

    private enum EditKind
    {
        Replace,
        Copy,
        Remove,
        Rename,
        Repeat,
    }

    /// <summary>The JSON text with one to four of its values replaced, moved, removed, renamed or repeated. Still JSON, mostly.</summary>
    public static Gen<byte[]> OfJson(string valid) =>
        AnyEdit.Array[1, 4].Select(edits => edits.Aggregate(Encoding.UTF8.GetBytes(valid), Apply));

    /// <summary>The bytes with some flipped, cut off, put in or taken out.</summary>
    public static Gen<byte[]> OfBytes(byte[] valid) =>
        Gen.Select(Gen.Double.Unit, Gen.Int[0, 3], Gen.Byte, Gen.Int[1, 16]).Array[1, 6].Select(edits =>
        {
            var bytes = new List<byte>(valid);
            foreach (var (where, kind, value, length) in edits)
                Apply(bytes, (int)(where * bytes.Count), kind, value, length);
            return bytes.ToArray();
        });

    /// <summary>A JSON value of any shape, made of odd values and of a vocabulary of names.</summary>
    /// <param name="names">Names its objects may have.</param>
    public static Gen<byte[]> Random(params string[] names)
    {
        string[] allNames = [.. OddNames, .. names.Select(n => JsonSerializer.Serialize(n))];
        var name = Gen.Int[0, allNames.Length - 1].Select(i => allNames[i]);
        var value = Gen.Int[0, OddValues.Length - 1].Select(i => OddValues[i]);
        for (int depth = 0; depth < 3; depth++)
        {
            var inner = value;
            var list = inner.Array[0, 4].Select(items => $"[{string.Join(',', items)}]");
            var map = Gen.Select(name, inner, (n, v) => $"{n}:{v}").Array[0, 6].Select(items => $"{{{string.Join(',', items)}}}");
            value = Gen.Int[0, 3].SelectMany(kind => kind switch { 0 => inner, 1 => list, _ => map });
        }
        return value.Select(Encoding.UTF8.GetBytes);
    }

    private static void Apply(List<byte> bytes, int at, int kind, byte value, int length)
    {
        switch (kind)
        {
            case 0 when at < bytes.Count:
                bytes[at] ^= value;
                break;
            case 1:
                bytes.RemoveRange(at, Math.Min(length, bytes.Count - at));
                break;
            case 2:
                bytes.InsertRange(at, Enumerable.Repeat(value, length));
                break;
            default:
                bytes.RemoveRange(at, value < 32 ? bytes.Count - at : 0);
                break;
        }
    }

    private static byte[] Apply(byte[] json, Edit edit)
    {
        var (values, names) = Spans(json);
        if (values.Count == 0)
            return json;
        var value = values[(int)(edit.Where * values.Count)];
        Range? name = names.Count == 0 ? null : names[(int)(edit.Where * names.Count)];
        return (edit.Kind, name) switch
        {
            (EditKind.Copy, _) => Put(json, value, json[values[edit.Choice % values.Count]]),
            (EditKind.Remove, _) => Put(json, value, []),
            (EditKind.Rename, { } at) => Put(json, at, Encoding.UTF8.GetBytes(OddNames[edit.Choice % OddNames.Length])),
            (EditKind.Repeat, { } at) => Put(json, at.Start..at.Start, [.. json[at], .. ":"u8, .. json[values[edit.Choice % values.Count]], .. ","u8]),
            _ => Put(json, value, Encoding.UTF8.GetBytes(OddValues[edit.Choice % OddValues.Length])),
        };
    }

    private static byte[] Put(byte[] json, Range place, byte[] text) => [.. json[..place.Start], .. text, .. json[place.End..]];

    // Where values and property names stand; as far as the text is JSON, since earlier edits may have broken it.
    private static (List<Range> Values, List<Range> Names) Spans(byte[] json)
    {
        List<Range> values = [], names = [];
        var open = new Stack<int>();
        var reader = new Utf8JsonReader(json);
        try
        {
            while (reader.Read())
            {
                int start = (int)reader.TokenStartIndex, end = (int)reader.BytesConsumed;
                if (reader.TokenType is JsonTokenType.StartArray or JsonTokenType.StartObject)
                    open.Push(start);
                else if (reader.TokenType == JsonTokenType.PropertyName)
                    names.Add(start..(start + reader.ValueSpan.Length + 2));
                else
                    values.Add((reader.TokenType is JsonTokenType.EndArray or JsonTokenType.EndObject ? open.Pop() : start)..end);
            }
        }
        catch (JsonException)
        {
            return (values, names);
        }
        return (values, names);
    }

    private readonly record struct Edit(double Where, EditKind Kind, int Choice);
}
