using System.Runtime.InteropServices;
using AiFabric.Engine.Tokenization;
using AiFabric.Pretraining.Corpus;

namespace AiFabric.Pretraining.Tokens;

/// <summary>A corpus as one run of tokens, each document closed by the end-of-text mark.</summary>
internal static class TokenStream
{
    /// <summary>Encodes the documents; the result is kept beside them in <c>NAME.tokens</c>.</summary>
    public static ushort[] Load(string jsonl, HuggingFaceTokenizer tokenizer)
    {
        string cache = Path.ChangeExtension(jsonl, ".tokens");
        if (File.Exists(cache))
            return MemoryMarshal.Cast<byte, ushort>(File.ReadAllBytes(cache)).ToArray();

        ushort end = (ushort)(tokenizer.EndOfSequenceId ?? throw new InvalidDataException("The tokenizer has no end-of-text mark."));
        var tokens = new List<ushort>();
        foreach (var document in CorpusBuilder.Read(jsonl))
        {
            foreach (int id in tokenizer.Encode(document.Text))
                tokens.Add((ushort)id);
            tokens.Add(end);
        }
        File.WriteAllBytes(cache, MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(tokens)).ToArray());
        return [.. tokens];
    }
}
