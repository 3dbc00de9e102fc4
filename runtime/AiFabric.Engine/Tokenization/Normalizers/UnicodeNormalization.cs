using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace AiFabric.Engine.Tokenization.Normalizers;

/// <summary>
/// Unicode's normalization forms. .NET leaves them to ICU and, as this project is built (<c>InvariantGlobalization</c>), returns text as it is.
/// </summary>
/// <remarks>Source: Unicode Standard Annex 15; the tables are those of Node.js (unicode-data.mjs).</remarks>
internal static class UnicodeNormalization
{
    // Unicode chapter 3.12: syllables are numbered by lead, vowel and tail.
    private const int Syllables = 0xAC00, Leads = 0x1100, Vowels = 0x1161, Tails = 0x11A7;
    private const int VowelCount = 21, TailCount = 28, LeadCount = 19;
    private const int SyllableCount = LeadCount * VowelCount * TailCount;

    private static readonly Lazy<Tables> Data = new(Tables.Load);

    public static string ToNfc(string text) => Normalize(text, compatible: false, compose: true);

    public static string ToNfd(string text) => Normalize(text, compatible: false, compose: false);

    public static string ToNfkc(string text) => Normalize(text, compatible: true, compose: true);

    public static string ToNfkd(string text) => Normalize(text, compatible: true, compose: false);

    private static string Normalize(string text, bool compatible, bool compose)
    {
        // Below these no character changes: the first combining mark, the no-break space, À.
        char changing = (compatible, compose) switch { (false, true) => '\u0300', (true, _) => '\u00A0', _ => '\u00C0' };
        if (text.AsSpan().IndexOfAnyInRange(changing, char.MaxValue) < 0)
            return text;
        var characters = Decompose(text, compatible);
        Order(characters);
        if (compose)
            Compose(characters);
        var normalized = new StringBuilder(characters.Count);
        foreach (int character in characters)
            normalized.Append(char.ConvertFromUtf32(character));
        return normalized.ToString();
    }

    private static List<int> Decompose(string text, bool compatible)
    {
        var data = Data.Value;
        var characters = new List<int>(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            int c = rune.Value;
            if ((compatible && data.Compatible.TryGetValue(c, out int[]? parts)) || data.Canonical.TryGetValue(c, out parts))
            {
                characters.AddRange(parts);
            }
            else if (c - Syllables is >= 0 and < SyllableCount and var syllable)
            {
                characters.Add(Leads + (syllable / (VowelCount * TailCount)));
                characters.Add(Vowels + (syllable % (VowelCount * TailCount) / TailCount));
                if (syllable % TailCount > 0)
                    characters.Add(Tails + (syllable % TailCount));
            }
            else
            {
                characters.Add(c);
            }
        }
        return characters;
    }

    // Sorts every run of marks by class; equal ones keep their order.
    private static void Order(List<int> characters)
    {
        var data = Data.Value;
        for (int start = 0; start < characters.Count; start++)
        {
            int end = start, last = 0;
            bool ordered = true;
            while (end < characters.Count && data.Class(characters[end]) is var rank and > 0)
            {
                ordered &= rank >= last;
                last = rank;
                end++;
            }
            if (!ordered)
            {
                var run = characters.GetRange(start, end - start).OrderBy(data.Class).ToList(); // A stable sort.
                for (int i = 0; i < run.Count; i++)
                    characters[start + i] = run[i];
            }
            start = end;
        }
    }

    // Joins a character with the last starter, unless a mark of its class or a higher one, or another starter, stands between.
    private static void Compose(List<int> characters)
    {
        var data = Data.Value;
        int starter = -1, kept = 0, lastClass = -1;
        for (int i = 0; i < characters.Count; i++)
        {
            int character = characters[i];
            int rank = data.Class(character);
            bool blocked = lastClass >= rank && lastClass >= 0;
            if (starter >= 0 && !blocked && Pair(data, characters[starter], character) is { } whole)
            {
                characters[starter] = whole;
                continue;
            }
            if (rank == 0)
                (starter, lastClass) = (kept, -1);
            else
                lastClass = rank;
            characters[kept++] = character;
        }
        characters.RemoveRange(kept, characters.Count - kept);
    }

    private static int? Pair(Tables data, int first, int second)
    {
        if (first - Leads is >= 0 and < LeadCount and var lead && second - Vowels is >= 0 and < VowelCount and var vowel)
            return Syllables + (((lead * VowelCount) + vowel) * TailCount);
        if (first - Syllables is >= 0 and < SyllableCount and var syllable && syllable % TailCount == 0 && second - Tails is > 0 and < TailCount and var tail)
            return first + tail;
        return data.Pairs.TryGetValue((first, second), out int whole) ? whole : null;
    }

    private sealed record Tables(
        FrozenDictionary<int, int> Classes, FrozenDictionary<int, int[]> Canonical, FrozenDictionary<int, int[]> Compatible, FrozenDictionary<(int, int), int> Pairs)
    {
        public int Class(int character) => Classes.GetValueOrDefault(character);

        public static Tables Load()
        {
            Dictionary<int, int> classes = [];
            Dictionary<int, int[]> canonical = [], compatible = [];
            Dictionary<(int, int), int> pairs = [];
            using var stream = typeof(Tables).Assembly.GetManifestResourceStream("unicode-data.txt")!; // Part of the build.
            using var reader = new StreamReader(stream);
            while (reader.ReadLine() is { } line)
            {
                if (line.StartsWith('#'))
                    continue;
                string[] words = line.Split(' ');
                int[] numbers = [.. words.Skip(1).Select(word => int.Parse(word, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture))];
                switch (words[0])
                {
                    case "ccc":
                        for (int c = numbers[1]; c <= numbers[2]; c++)
                            classes[c] = numbers[0];
                        break;
                    case "pair":
                        pairs[(numbers[0], numbers[1])] = numbers[2];
                        break;
                    default:
                        (words[0] == "nfd" ? canonical : compatible)[numbers[0]] = numbers[1..];
                        break;
                }
            }
            return new Tables(classes.ToFrozenDictionary(), canonical.ToFrozenDictionary(), compatible.ToFrozenDictionary(), pairs.ToFrozenDictionary());
        }
    }
}
