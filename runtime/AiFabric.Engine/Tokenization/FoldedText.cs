using System.Globalization;
using System.Text;

namespace AiFabric.Engine.Tokenization;

/// <summary>
/// A text in which every character is one <see cref="char"/>, for regular expressions: .NET's see two halves where a character lies beyond U+FFFF, so
/// that <c>\p{L}</c> misses 𝒜 and <c>[^\p{L}]?</c> cuts 🙂 in two. A rare character of the same category stands in for each.
/// </summary>
internal readonly struct FoldedText
{
    private readonly int[]? starts;

    private FoldedText(string text, int[]? starts) => (Text, this.starts) = (text, starts);

    public string Text { get; }

    public static FoldedText Of(string text)
    {
        if (text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
            return new FoldedText(text, null);
        var folded = new StringBuilder(text.Length);
        var starts = new List<int>(text.Length + 1);
        for (int i = 0; i < text.Length; i++)
        {
            starts.Add(i);
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
                folded.Append(StandIn(char.ConvertToUtf32(text[i], text[++i])));
            else
                folded.Append(text[i]);
        }
        starts.Add(text.Length);
        return new FoldedText(folded.ToString(), [.. starts]);
    }

    /// <summary>Where a position of <see cref="Text"/> lies in the text itself.</summary>
    public int Original(int position) => starts is null ? position : starts[position];

    private static char StandIn(int codePoint) => CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
    {
        UnicodeCategory.UppercaseLetter => '\uA680',
        UnicodeCategory.LowercaseLetter => '\uA681',
        UnicodeCategory.ModifierLetter => '\uA015',
        UnicodeCategory.OtherLetter => '\uA000',
        UnicodeCategory.NonSpacingMark => '\uA6F0',
        UnicodeCategory.SpacingCombiningMark => '\uA823',
        UnicodeCategory.DecimalDigitNumber => '\uA620',
        UnicodeCategory.LetterNumber => '\uA6E6',
        UnicodeCategory.OtherNumber => '\uA830',
        UnicodeCategory.DashPunctuation => '\u2E3B',
        UnicodeCategory.OtherPunctuation => '\uA60D',
        UnicodeCategory.MathSymbol => '\u29D0',
        UnicodeCategory.ModifierSymbol => '\uA700',
        UnicodeCategory.OtherSymbol => '\uA828',
        UnicodeCategory.Format => '\u2061',
        UnicodeCategory.PrivateUse => '\uE000',
        _ => '\uFDD0',
    };
}
