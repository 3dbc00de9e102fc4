namespace AiFabric.Engine.Tests.LlamaCpp;

/// <summary>A small SentencePiece vocabulary: marks, bytes, characters, and pieces that come out of joining others.</summary>
internal static class PieceVocabulary
{
    private const int Normal = 1, Unknown = 2, Control = 3, Byte = 6;
    private const string Characters = "▁abcdefghijklmnopqrstuvwxyzABCIT,.'1234é日本";

    // The better a piece's place, the higher its score.
    private static readonly string[] Pieces =
    [
        "▁t", "he", "in", "er", "▁a", "▁the", "on", "re", "nd", "▁w", "▁and", "ou", "en", "▁c", "ing", "▁s", "at", "ha", "▁that", "it", "is", "or", "ver", "▁over", "ea",
        "▁▁", "▁▁▁▁", "ab", "bc", "abc", "日本", "12", "34", "1234", "▁I", "▁It",
    ];

    public static int Size => 3 + 256 + Characters.Length + Pieces.Length;

    public static void Write(GgufWriter file, bool prefix)
    {
        string[] bytes = [.. Enumerable.Range(0, 256).Select(b => $"<0x{b:X2}>")], characters = [.. Characters.Select(c => c.ToString())];
        file.Add("tokenizer.ggml.model", "llama");
        file.Add("tokenizer.ggml.tokens", [.. (string[])["<unk>", "<s>", "</s>"], .. bytes, .. characters, .. Pieces]);
        file.Add("tokenizer.ggml.scores", (IReadOnlyCollection<float>)[0, 0, 0, .. bytes.Select(_ => 0f), .. characters.Select((_, i) => -1000f - i), .. Pieces.Select((_, i) => -(float)i)]);
        file.Add("tokenizer.ggml.token_type", (IReadOnlyCollection<int>)[Unknown, Control, Control, .. bytes.Select(_ => Byte), .. characters.Select(_ => Normal), .. Pieces.Select(_ => Normal)]);
        file.Add("tokenizer.ggml.bos_token_id", 1u);
        file.Add("tokenizer.ggml.eos_token_id", 2u);
        file.Add("tokenizer.ggml.unknown_token_id", 0u);
        file.Add("tokenizer.ggml.add_bos_token", true);
        file.Add("tokenizer.ggml.add_space_prefix", prefix);
    }
}
