using System.Globalization;
using System.Text;

namespace AiFabric.Engine.Tokenization.Normalizers;

/// <summary>BERT's cleaning: control characters out, blanks around Chinese characters, accents and capitals away.</summary>
internal static class BertNormalizer
{
    /// <exception cref="Weights.CheckpointException">A field is unknown or of another type.</exception>
    public static Func<string, string> Read(JsonPart json)
    {
        json.Only("clean_text", "handle_chinese_chars", "strip_accents", "lowercase");
        bool clean = json.Flag("clean_text", true), chinese = json.Flag("handle_chinese_chars", true), lowercase = json.Flag("lowercase", true);
        bool strip = json.Flag("strip_accents", lowercase);
        return text =>
        {
            text = clean ? Clean(text) : text;
            text = chinese ? Space(text) : text;
            if (strip)
                text = CharacterNormalizers.Keep(UnicodeNormalization.ToNfd(text), category => category != UnicodeCategory.NonSpacingMark);
            return lowercase ? CharacterNormalizers.Lowercase(text) : text;
        };
    }

    private static string Clean(string text)
    {
        var cleaned = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            bool blank = rune.Value is '\t' or '\n' or '\r';
            var category = Rune.GetUnicodeCategory(rune);
            bool control = category is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned;
            if (!blank && (control || rune.Value is 0 or 0xFFFD))
                continue;
            if (Rune.IsWhiteSpace(rune))
                cleaned.Append(' ');
            else
                cleaned.Append(rune);
        }
        return cleaned.ToString();
    }

    private static string Space(string text)
    {
        var spaced = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (IsChinese(rune.Value))
                spaced.Append(' ').Append(rune).Append(' ');
            else
                spaced.Append(rune);
        }
        return spaced.ToString();
    }

    private static bool IsChinese(int c) => c is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F)
        or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);
}
