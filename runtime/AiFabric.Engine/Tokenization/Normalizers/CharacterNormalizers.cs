using System.Globalization;
using System.Text;

namespace AiFabric.Engine.Tokenization.Normalizers;

/// <summary>Normalizers that change one character at a time.</summary>
internal static class CharacterNormalizers
{
    // The one character whose small letter is two.
    public static string Lowercase(string text) => text.Replace("\u0130", "i\u0307", StringComparison.Ordinal).ToLowerInvariant();

    /// <summary>Drops combining marks of every kind; accents are such only in decomposed text (NFD).</summary>
    public static string StripMarks(string text) => Keep(text, category => category
        is not (UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark));

    public static string Keep(string text, Func<UnicodeCategory, bool> keep)
    {
        var kept = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (keep(Rune.GetUnicodeCategory(rune)))
                kept.Append(rune);
        }
        return kept.ToString();
    }

    /// <summary>Drops control characters and makes blanks of other blank ones; source: SentencePiece's <c>nmt</c> rule as Hugging Face has it.</summary>
    public static string Nmt(string text)
    {
        var changed = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            if (c is (>= '\u0001' and <= '\u0008') or '\u000B' or (>= '\u000E' and <= '\u001F') or '\u007F' or '\u008F' or '\u009F')
                continue;
            bool blank = c is '\u0009' or '\u000A' or '\u000C' or '\u000D' or '\u1680' or (>= '\u200B' and <= '\u200F') or '\u2028' or '\u2029' or '\u2581' or '\uFEFF' or '\uFFFD';
            changed.Append(blank ? ' ' : c);
        }
        return changed.ToString();
    }
}
