using System.Text;

namespace AiFabric.Engine.Constraints.Expressions;

/// <summary>A set of Unicode code points, as sorted ranges that do not touch. Surrogates are in none.</summary>
internal sealed class CharSet
{
    private const int Largest = 0x10FFFF;

    private readonly List<(int First, int Last)> ranges;

    private CharSet(List<(int First, int Last)> ranges) => this.ranges = ranges;

    public static CharSet All { get; } = Of((0, Largest));

    public static CharSet Digits { get; } = Of(('0', '9'));

    public static CharSet WordCharacters { get; } = Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));

    /// <summary>The white space that <c>\s</c> stands for and that every engine counts as such.</summary>
    public static CharSet Spaces { get; } = Of(('\t', '\r'), (' ', ' '));

    /// <summary>All white space, so that <c>\S</c> gives none that some engine would count as such. Source: ECMA-262, WhiteSpace and LineTerminator.</summary>
    public static CharSet AnySpaces { get; } = Of(
        ('\t', '\r'), (' ', ' '), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200B), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
        (0xFEFF, 0xFEFF));

    /// <summary>What <c>.</c> does not stand for.</summary>
    public static CharSet LineEnds { get; } = Of(('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029));

    public bool IsEmpty => ranges.Count == 0;

    public static CharSet Of(params IEnumerable<(int First, int Last)> parts)
    {
        var merged = new List<(int First, int Last)>();
        foreach (var (first, last) in parts.SelectMany(WithoutSurrogates).OrderBy(r => r.First))
        {
            if (merged.Count > 0 && first <= merged[^1].Last + 1)
                merged[^1] = (merged[^1].First, Math.Max(merged[^1].Last, last));
            else
                merged.Add((first, last));
        }
        return new CharSet(merged);
    }

    public CharSet With(CharSet other) => Of(ranges.Concat(other.ranges));

    /// <summary>The character, where it is one alone.</summary>
    public int? Only => ranges is [var (first, last)] && first == last ? first : null;

    public CharSet Without(CharSet other) => Of(ranges.SelectMany(r => Cut(r, other.ranges)));

    public CharSet Complement() => Of(Cut((0, Largest), ranges));

    /// <summary>The UTF-8 of one of its characters.</summary>
    /// <exception cref="InvalidOperationException">It is empty.</exception>
    public Pattern ToUtf8() => Pattern.Choice([.. ranges.SelectMany(Utf8)]);

    /// <summary>One of its characters as JSON writes it inside a string: escaped only where it must be, and then in one way.</summary>
    /// <exception cref="InvalidOperationException">It is empty.</exception>
    public Pattern ToJson()
    {
        var plain = Without(Of((0, 0x1F), ('"', '"'), ('\\', '\\')));
        IEnumerable<Pattern> escaped = Enumerable.Range(0, 0x20).Append('"').Append('\\').Where(c => ranges.Exists(r => r.First <= c && c <= r.Last)).Select(c => Pattern.Text(Escape(c)));
        return Pattern.Choice([.. plain.ranges.SelectMany(Utf8), .. escaped]);
    }

    private static string Escape(int character) => character switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        _ => $"\\u{character:x4}",
    };

    private static IEnumerable<(int First, int Last)> WithoutSurrogates((int First, int Last) range)
    {
        if (range.First < 0xD800)
            yield return (range.First, Math.Min(range.Last, 0xD7FF));
        if (range.Last > 0xDFFF)
            yield return (Math.Max(range.First, 0xE000), range.Last);
    }

    private static IEnumerable<(int First, int Last)> Cut((int First, int Last) whole, List<(int First, int Last)> holes)
    {
        int first = whole.First;
        foreach (var hole in holes)
        {
            if (hole.Last < first || hole.First > whole.Last)
                continue;
            if (hole.First > first)
                yield return (first, hole.First - 1);
            first = hole.Last + 1;
        }
        if (first <= whole.Last)
            yield return (first, whole.Last);
    }

    // Cuts a range so that each piece is a product of byte ranges. Source: R. Cox, "Regular Expression Matching in the Wild", 2010.
    private static IEnumerable<Pattern> Utf8((int First, int Last) range)
    {
        var (first, last) = range;
        foreach (int limit in (int[])[0x7F, 0x7FF, 0xFFFF])
        {
            if (first <= limit && limit < last)
                return Utf8((first, limit)).Concat(Utf8((limit + 1, last)));
        }
        for (int bits = 6; bits <= 18 && last > 0x7F; bits += 6)
        {
            int mask = (1 << bits) - 1;
            if ((first & ~mask) == (last & ~mask))
                continue;
            if ((first & mask) != 0)
                return Utf8((first, first | mask)).Concat(Utf8(((first | mask) + 1, last)));
            if ((last & mask) != mask)
                return Utf8((first, (last & ~mask) - 1)).Concat(Utf8((last & ~mask, last)));
        }
        Span<byte> low = stackalloc byte[4], high = stackalloc byte[4];
        int length = new Rune(first).EncodeToUtf8(low);
        new Rune(last).EncodeToUtf8(high);
        var bytes = new Pattern[length];
        for (int i = 0; i < length; i++)
            bytes[i] = Pattern.Bytes(low[i], high[i]);
        return [Pattern.Sequence(bytes)];
    }
}
