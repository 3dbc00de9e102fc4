using System.Text;

namespace AiFabric.Engine.Tokenization;

/// <summary>Turns tokens into text one by one; a character is given out only when all of its bytes are there. Not thread safe: one per sequence.</summary>
public sealed class IncrementalDetokenizer(HuggingFaceTokenizer tokenizer)
{
    private readonly Decoder decoder = Encoding.UTF8.GetDecoder();

    /// <summary>Adds a token.</summary>
    /// <returns>The characters it completed; empty inside a character and for control marks.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The id is not of the vocabulary.</exception>
    public string Append(int token) => tokenizer.SpecialIds.Contains(token) ? "" : Decode(tokenizer.TokenBytes(token), flush: false);

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
