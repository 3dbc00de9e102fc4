using System.Text.Encodings.Web;
using System.Text.Json;
using AiFabric.Engine.Constraints.Expressions;

namespace AiFabric.Engine.Constraints.Json;

/// <summary>
/// How answers write JSON. White space is one space at most, after a colon or a comma, so that no model can go on with blanks for ever; numbers
/// have at most 18 digits before the point, 16 after it and a two-digit exponent.
/// </summary>
internal static class JsonText
{
    /// <summary>Digits before the point at most: what a 64-bit integer holds.</summary>
    public const int IntegerDigits = 18;

    /// <summary>Digits after the point at most: what a double tells apart.</summary>
    public const int FractionDigits = 16;

    public const string StringRule = "string";
    public const string NumberRule = "number";
    public const string IntegerRule = "integer";

    // Parsers limit the depth too: .NET's to 64.
    private const int AnyDepth = 16;

    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>What stands between two members or items.</summary>
    public static Pattern Comma { get; } = Pattern.Sequence(Pattern.Text(","), Pattern.Optional(Pattern.Text(" ")));

    public static Pattern Digit { get; } = Pattern.Bytes((byte)'0', (byte)'9');

    public static Pattern Null { get; } = Pattern.Text("null");

    public static Pattern Boolean { get; } = Pattern.Choice(Pattern.Text("true"), Pattern.Text("false"));

    /// <summary>One character of a string in any spelling but for halves of surrogate pairs: the characters beyond U+FFFF come in UTF-8.</summary>
    public static Pattern Character { get; } = Pattern.Choice(
        CharSet.Of((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x10FFFF)).ToUtf8(),
        Pattern.Sequence(Pattern.Text("\\"), CharSet.Of("\"/\\bfnrt".Select(c => ((int)c, (int)c))).ToUtf8()),
        RegularExpression.Whole(@"\\u(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2})"));

    /// <summary>A string whose content fits.</summary>
    public static Pattern Quoted(Pattern content) => Pattern.Sequence(Pattern.Text("\""), content, Pattern.Text("\""));

    /// <summary>A member of an object.</summary>
    /// <param name="key">Its name with quotes.</param>
    /// <param name="value">Its value.</param>
    public static Pattern Member(Pattern key, Pattern value) => Pattern.Sequence(key, Pattern.Text(":"), Pattern.Optional(Pattern.Text(" ")), value);

    public static Pattern Object(IReadOnlyList<(Pattern Member, bool Optional)> members, Pattern? extra) =>
        Pattern.Sequence(Pattern.Text("{"), Pattern.Listed(members, Comma, extra), Pattern.Text("}"));

    /// <summary>An array of items that are alike.</summary>
    public static Pattern Array(Pattern item, int min, int? max)
    {
        if (max == 0)
            return Pattern.Text("[]");
        var rest = Pattern.Repeat(Pattern.Sequence(Comma, item), Math.Max(min - 1, 0), max - 1);
        var items = Pattern.Sequence(item, rest);
        return Pattern.Sequence(Pattern.Text("["), min == 0 ? Pattern.Optional(items) : items, Pattern.Text("]"));
    }

    /// <summary>A value that is known, without white space.</summary>
    public static Pattern Constant(JsonElement value)
    {
        using var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes, Compact))
            value.WriteTo(writer);
        return Pattern.Text(System.Text.Encoding.UTF8.GetString(bytes.ToArray()));
    }

    public static Pattern Key(string name) => Constant(JsonSerializer.SerializeToElement(name));

    /// <summary>Names of members that are none of some names. They come without escapes, so that none is another spelling of those.</summary>
    public static Pattern KeyOtherThan(IEnumerable<string> names) => Quoted(Other([.. names]));

    /// <summary>The rules for values of a type.</summary>
    public static IEnumerable<(string Name, Pattern Pattern)> ScalarRules()
    {
        yield return (StringRule, Quoted(Pattern.Repeat(Character, 0, null)));
        yield return (NumberRule, RegularExpression.Whole($@"-?(?:0|[1-9][0-9]{{0,{IntegerDigits - 1}}})(?:\.[0-9]{{1,{FractionDigits}}})?(?:[eE][+\-]?[0-9]{{1,2}})?"));
        yield return (IntegerRule, RegularExpression.Whole($@"0|-?[1-9][0-9]{{0,{IntegerDigits - 1}}}"));
    }

    /// <summary>The rules for values of any type, nested to a depth; <see cref="AnyRule"/> is the first.</summary>
    public static IEnumerable<(string Name, Pattern Pattern)> AnyRules()
    {
        for (int level = 0; level < AnyDepth; level++)
        {
            List<Pattern> kinds = [Pattern.Rule(StringRule), Pattern.Rule(NumberRule), Boolean, Null];
            if (level + 1 < AnyDepth)
                kinds.AddRange([AnyObject(level + 1), Array(Pattern.Rule(AnyRule(level + 1)), 0, null)]);
            yield return (AnyRule(level), Pattern.Choice(kinds));
        }
    }

    /// <summary>The rule for values of any type.</summary>
    public static string AnyRule(int level = 0) => $"any {level}";

    /// <summary>An object with any members.</summary>
    public static Pattern AnyObject(int level = 0) => Object([], Member(Pattern.Rule(StringRule), Pattern.Rule(AnyRule(level))));

    // Characters that leave the way of every name may be followed by anything; those on it may not end where a name does.
    private static Pattern Other(string[] names)
    {
        var plain = CharSet.Of((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x10FFFF));
        var anything = Pattern.Repeat(plain.ToUtf8(), 0, null);
        var groups = names.Where(n => n.Length > 0).GroupBy(n => char.IsSurrogatePair(n, 0) ? char.ConvertToUtf32(n, 0) : n[0]).ToList();
        var leaving = plain.Without(CharSet.Of(groups.Select(g => (g.Key, g.Key))));
        List<Pattern> ways = [Pattern.Sequence(leaving.ToUtf8(), anything)];
        foreach (var group in groups.Where(g => g.Key is >= 0x20 and not ('"' or '\\') && !(g.Key is >= 0xD800 and <= 0xDFFF)))
        {
            int length = char.ConvertFromUtf32(group.Key).Length;
            ways.Add(Pattern.Sequence(Pattern.Text(char.ConvertFromUtf32(group.Key)), Other([.. group.Select(n => n[length..])])));
        }
        if (!names.Contains(""))
            ways.Add(Pattern.Empty);
        return Pattern.Choice(ways);
    }
}
