using System.Text.Json;
using AiFabric.Engine.Tokenization.Decoders;
using AiFabric.Engine.Tokenization.Models;
using AiFabric.Engine.Tokenization.Normalizers;
using AiFabric.Engine.Tokenization.PreTokenizers;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization;

/// <summary>The parts of a Hugging Face <c>tokenizer.json</c>; kinds and fields that are not supported are refused by name.</summary>
/// <remarks><c>truncation</c> and <c>padding</c> are settings of a caller, not of the tokenizer; texts here are never cut or filled up.</remarks>
internal sealed record TokenizerJson(
    TokenModel Model, Normalizer? Normalizer, PreTokenizer? PreTokenizer, TokenDecoder Decoder, PostProcessor PostProcessor, IReadOnlyList<AddedToken> AddedTokens)
{
    /// <exception cref="CheckpointException">The file is missing, malformed or uses what is not supported.</exception>
    public static TokenizerJson Load(string path)
    {
        try
        {
            return Parse(File.ReadAllBytes(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <exception cref="CheckpointException">The text is malformed or uses what is not supported.</exception>
    public static TokenizerJson Parse(ReadOnlyMemory<byte> json, string path)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return Read(new JsonPart(document.RootElement, path));
        }
        // A name or text with half a surrogate pair throws InvalidOperationException.
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new CheckpointException($"{path}: is not a Hugging Face tokenizer: {e.Message}", e);
        }
    }

    private static TokenizerJson Read(JsonPart root)
    {
        root.Only("version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder", "model");
        var added = root.Has("added_tokens") ? root.Items("added_tokens").Select(t => AddedToken.Read(t.Element, null, t.At)).ToList() : [];
        bool byteAlphabet = IsByteLevel(root.Find("pre_tokenizer"), "pretokenizers") || IsByteLevel(root.Find("normalizer"), "normalizers");
        var tokenizer = new TokenizerJson(
            TokenModel.Read(root.Get("model")),
            root.Find("normalizer") is { } normalizer ? NormalizerReader.Read(normalizer) : null,
            root.Find("pre_tokenizer") is { } words ? PreTokenizerReader.Read(words) : null,
            TokenDecoder.Read(root.Find("decoder"), byteAlphabet),
            root.Find("post_processor") is { } marks ? PostProcessor.Read(marks) : PostProcessor.None,
            added);
        if (byteAlphabet && tokenizer.Model is BpeModel { UnknownId: null })
            RequireBytes(tokenizer.Model, root);
        return tokenizer;
    }

    private static bool IsByteLevel(JsonPart? json, string steps) => json is { } part
        && (part.Type == "ByteLevel" || (part.Type == "Sequence" && part.Items(steps).Any(step => IsByteLevel(step, steps))));

    // Characters without a token are left out, so that a vocabulary of bytes must have each that UTF-8 uses.
    private static void RequireBytes(TokenModel model, JsonPart root)
    {
        for (int b = 0; b < 256; b++)
        {
            bool used = b is not (0xC0 or 0xC1 or >= 0xF5);
            if (used && !model.Vocabulary.ContainsKey(ByteAlphabet.CharacterOf((byte)b).ToString()))
                throw root.Refuse($"byte 0x{b:x2} has no token, so that some text could not be encoded: not a byte-level vocabulary");
        }
    }
}
