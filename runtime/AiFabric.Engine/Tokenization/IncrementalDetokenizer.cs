using System.Text;

namespace AiFabric.Engine.Tokenization;

/// <summary>
/// Turns tokens into text one by one; a character is given out only when all of its bytes are there. What it gives out together is what
/// <see cref="HuggingFaceTokenizer.Decode"/> gives for all tokens. Not thread safe: one per sequence.
/// </summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="continues">Whether text stands before, so that the first word keeps its space.</param>
/// <param name="shown">Control marks that are given out as they are spelled; null for none.</param>
public sealed class IncrementalDetokenizer(HuggingFaceTokenizer tokenizer, bool continues = false, IReadOnlyCollection<int>? shown = null)
{
    private readonly Decoder decoder = Encoding.UTF8.GetDecoder();
    private int spacesToDrop = continues ? 0 : tokenizer.LeadingSpaces;

    /// <summary>Adds a token.</summary>
    /// <returns>The characters it completed; empty inside a character and for control marks that are not shown.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The id is not of the vocabulary.</exception>
    public string Append(int token)
    {
        if (tokenizer.SpecialIds.Contains(token) && shown?.Contains(token) is not true)
            return "";
        var bytes = tokenizer.TokenBytes(token);
        while (spacesToDrop > 0 && bytes.Length > 0)
        {
            if (bytes[0] != ' ')
            {
                spacesToDrop = 0;
                break;
            }
            spacesToDrop--;
            bytes = bytes[1..];
        }
        return Decode(bytes, flush: false);
    }

    /// <summary>Ends the text.</summary>
    /// <returns>U+FFFD when it ended inside a character, else nothing.</returns>
    public string Flush() => Decode([], flush: true);

    private string Decode(ReadOnlySpan<byte> bytes, bool flush)
    {
        var characters = new char[decoder.GetCharCount(bytes, flush)];
        int count = decoder.GetChars(bytes, characters, flush);
        return new string(characters, 0, count);
    }
}
