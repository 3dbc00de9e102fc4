using System.Globalization;
using System.Text;

namespace AiFabric.Engine.Tokenization.PreTokenizers;

/// <summary>Pre-tokenizers that look at one character at a time.</summary>
internal static class CharacterSplits
{
    /// <summary>Cuts at every character that a condition holds for.</summary>
    public static PreTokenizer By(Func<Rune, bool> holds, SplitBehavior behavior) => (piece, output) =>
    {
        var found = new List<(int, int)>();
        int at = 0;
        foreach (var rune in piece.Text.EnumerateRunes())
        {
            if (holds(rune))
                found.Add((at, rune.Utf16SequenceLength));
            at += rune.Utf16SequenceLength;
        }
        Splitter.Split(piece, found, behavior, invert: false, output);
    };

    /// <summary>Keeps runs of letters, digits and marks, and runs of what is neither these nor blank: <c>\w+|[^\w\s]+</c>.</summary>
    public static void Words(Piece piece, List<Piece> output)
    {
        int start = 0, at = 0, kind = 0;
        foreach (var rune in piece.Text.EnumerateRunes())
        {
            int next = Rune.IsWhiteSpace(rune) ? 0 : IsWord(rune) ? 1 : 2;
            if (next != kind)
            {
                Add(at);
                (start, kind) = (at, next);
            }
            at += rune.Utf16SequenceLength;
        }
        Add(at);

        void Add(int end)
        {
            if (kind != 0 && end > start)
                output.Add(piece.Part(start, end));
        }
    }

    /// <summary>Punctuation of Unicode, and of ASCII all that is neither letter, digit, blank nor control.</summary>
    public static bool IsPunctuation(Rune rune) => Rune.IsPunctuation(rune) || (rune.IsAscii && rune.Value is > ' ' and < 0x7F && !Rune.IsLetterOrDigit(rune));

    private static bool IsWord(Rune rune) => Rune.IsLetterOrDigit(rune) || rune.Value is 0x200C or 0x200D || Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
        or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation;
}
