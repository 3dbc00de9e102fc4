using System.Text;
using System.Text.RegularExpressions;
using AiFabric.Engine.Weights;
using AiFabric.Engine.Weights.Gguf;
using Microsoft.ML.Tokenizers;

namespace AiFabric.Engine.Tokenization;

/// <summary>Byte-level BPE as a Hugging Face <c>tokenizer.json</c> defines it. Any text survives encoding and decoding unchanged. Thread safe.</summary>
public sealed class HuggingFaceTokenizer
{
    private readonly BpeTokenizer words;
    private readonly byte[]?[] bytesById;
    private readonly HashSet<int> specials;
    private readonly Dictionary<string, int> added;
    private readonly Regex? literalAdded;
    private readonly Regex? anyAdded;

    private HuggingFaceTokenizer(TokenizerJson json, TokenizerSettings settings, string path)
    {
        words = BpeTokenizer.Create(new BpeOptions(json.Vocabulary)
        {
            Merges = json.Merges,
            ByteLevel = true,
            PreTokenizer = new RegexPreTokenizer(json.Words, null),
        });
        Settings = settings;
        bytesById = ReadBytes(json, path);
        added = json.AddedTokens.ToDictionary(t => t.Content, t => t.Id);
        specials = [.. json.AddedTokens.Where(t => t.Special).Select(t => t.Id)];
        literalAdded = Alternatives(json.AddedTokens.Where(t => !t.Special));
        anyAdded = Alternatives(json.AddedTokens);
        BeginOfSequenceId = IdOf(settings.BeginOfSequence);
        EndOfSequenceId = IdOf(settings.EndOfSequence);
    }

    /// <summary>One more than the largest id.</summary>
    public int VocabularySize => bytesById.Length;

    /// <summary>The ids of control marks, which are not text.</summary>
    public IReadOnlySet<int> SpecialIds => specials;

    /// <summary>The chat template and the marks that open and end a text.</summary>
    public TokenizerSettings Settings { get; }

    public int? BeginOfSequenceId { get; }

    public int? EndOfSequenceId { get; }

    /// <summary>
    /// Reads <c>tokenizer.json</c> and, where there is one, <c>tokenizer_config.json</c> of a model folder. Where the weights are a GGUF file with
    /// no <c>tokenizer.json</c> beside it, its metadata say what these would.
    /// </summary>
    /// <exception cref="CheckpointException">A file is missing, malformed, or describes another kind of tokenizer.</exception>
    public static HuggingFaceTokenizer Load(string folder)
    {
        string? weights = GgufPath.Of(folder);
        string beside = weights is null ? folder : Path.GetDirectoryName(Path.GetFullPath(weights)) ?? folder;
        string path = Path.Combine(beside, "tokenizer.json");
        if (weights is null || File.Exists(path))
            return Create(TokenizerJson.Load(path), TokenizerSettings.Load(beside), path);
        using var file = GgufFile.Open(weights);
        return Create(TokenizerJson.Parse(GgufTokenizer.ToJson(file), weights), GgufTokenizer.Settings(file), weights);
    }

    private static HuggingFaceTokenizer Create(TokenizerJson json, TokenizerSettings settings, string path)
    {
        try
        {
            return new HuggingFaceTokenizer(json, settings, path);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            throw new CheckpointException($"{path}: vocabulary and merges do not fit together: {e.Message}", e);
        }
    }

    /// <summary>Encodes text.</summary>
    /// <param name="text">Any text; unpaired surrogates become U+FFFD.</param>
    /// <param name="parseSpecial">
    /// Whether the spelling of a control mark in the text means the mark. Leave false for text that users send, so that it cannot forge marks.
    /// </param>
    /// <returns>Token ids, without begin or end marks.</returns>
    public int[] Encode(string text, bool parseSpecial = false)
    {
        text = WellFormed(text);
        var ids = new List<int>((text.Length / 3) + 1);
        int start = 0;
        if ((parseSpecial ? anyAdded : literalAdded) is { } marks)
        {
            foreach (Match mark in marks.Matches(text))
            {
                EncodeWords(text[start..mark.Index], ids);
                ids.Add(added[mark.Value]);
                start = mark.Index + mark.Length;
            }
        }
        EncodeWords(text[start..], ids);
        return [.. ids];
    }

    /// <summary>Decodes tokens to text. Bytes that form no UTF-8 become U+FFFD; control marks are left out.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is not of the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> ids)
    {
        var bytes = new List<byte>(ids.Length * 4);
        foreach (int id in ids)
        {
            if (!specials.Contains(id))
                bytes.AddRange(TokenBytes(id));
        }
        return Encoding.UTF8.GetString([.. bytes]);
    }

    /// <summary>The bytes a token stands for: a piece of UTF-8 text, which may begin or end inside a character.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not of the vocabulary.</exception>
    public ReadOnlySpan<byte> TokenBytes(int id)
    {
        if ((uint)id >= (uint)bytesById.Length || bytesById[id] is not { } bytes)
            throw new ArgumentOutOfRangeException(nameof(id), id, "No token has this id.");
        return bytes;
    }

    private void EncodeWords(string text, List<int> ids)
    {
        if (text.Length > 0)
            ids.AddRange(words.EncodeToIds(text, considerPreTokenization: true, considerNormalization: false));
    }

    private int? IdOf(string? token)
    {
        if (token is null)
            return null;
        return added.TryGetValue(token, out int id) ? id : null;
    }

    private static byte[]?[] ReadBytes(TokenizerJson json, string path)
    {
        int largest = Math.Max(json.Vocabulary.Values.DefaultIfEmpty(-1).Max(), json.AddedTokens.Select(t => t.Id).DefaultIfEmpty(-1).Max());
        var table = new byte[]?[largest + 1];
        foreach (var (spelling, id) in json.Vocabulary)
            table[id] = ByteAlphabet.TryParse(spelling, out byte[] bytes) ? bytes : Encoding.UTF8.GetBytes(spelling);
        foreach (var token in json.AddedTokens)
            table[token.Id] = Encoding.UTF8.GetBytes(token.Content);
        for (int b = 0; b < 256; b++)
        {
            if (!json.Vocabulary.ContainsKey(ByteAlphabet.CharacterOf((byte)b).ToString()))
                throw new CheckpointException($"{path}: byte 0x{b:x2} has no token, so that some text could not be encoded: not a byte-level vocabulary.");
        }
        return table;
    }

    // Longest first, because alternatives are tried in order.
    private static Regex? Alternatives(IEnumerable<AddedToken> tokens)
    {
        string[] contents = [.. tokens.Select(t => t.Content).Where(c => c.Length > 0).OrderByDescending(c => c.Length).Select(Regex.Escape)];
        return contents.Length == 0 ? null : new Regex(string.Join('|', contents), RegexOptions.CultureInvariant);
    }

    private static string WellFormed(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i]))
                continue;
            if (i + 1 >= text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
                return Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
            i++;
        }
        return text;
    }
}
