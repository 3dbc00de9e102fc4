using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization;

/// <summary>The parts of a Hugging Face <c>tokenizer.json</c> that byte-level BPE needs; other kinds are refused with the reason.</summary>
internal sealed record TokenizerJson(
    IReadOnlyDictionary<string, int> Vocabulary, IReadOnlyList<string> Merges, IReadOnlyList<AddedToken> AddedTokens, Regex Words)
{
    /// <summary>How GPT-2 cuts text into words; ByteLevel pre-tokenizers use it by default.</summary>
    internal const string Gpt2Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>Ids lie below this, ten times the largest vocabularies: tables are as long as the largest id.</summary>
    internal const int MostTokens = 1 << 22;

    /// <exception cref="CheckpointException">The file is missing, malformed or describes another kind of tokenizer.</exception>
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

    /// <param name="json">The file's content.</param>
    /// <param name="path">The name that error messages give it.</param>
    /// <exception cref="CheckpointException">It is malformed or describes another kind of tokenizer.</exception>
    public static TokenizerJson Parse(ReadOnlyMemory<byte> json, string path)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var tokenizer = Read(document.RootElement, path);
            RequireIds(tokenizer, path);
            return tokenizer;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException)
        {
            throw new CheckpointException($"{path}: is not a Hugging Face tokenizer: {e.Message}", e);
        }
    }

    private static TokenizerJson Read(JsonElement root, string path)
    {
        var model = root.GetProperty("model");
        if (model.TryGetProperty("type", out var type) && type.GetString() != "BPE")
            throw Refuse(path, $"model.type '{type}'", "only byte-level BPE is");
        if (IsSet(root, "normalizer"))
            throw Refuse(path, "a normalizer", "leave it null");
        foreach (string option in (string[])["ignore_merges", "byte_fallback", "continuing_subword_prefix", "end_of_word_suffix", "dropout"])
        {
            if (IsSet(model, option))
                throw Refuse(path, $"model.{option}", "leave it out");
        }
        var vocabulary = model.GetProperty("vocab").EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetInt32(), StringComparer.Ordinal);
        var merges = model.GetProperty("merges").EnumerateArray().Select(ReadMerge).ToList();
        IReadOnlyList<AddedToken> added = root.TryGetProperty("added_tokens", out var list) ? list.Deserialize<List<AddedToken>>() ?? [] : [];
        return new TokenizerJson(vocabulary, merges, added, ReadWords(root, path));
    }

    // Older files write a merge as "a b", newer ones as ["a", "b"].
    private static string ReadMerge(JsonElement merge)
    {
        if (merge.ValueKind != JsonValueKind.Array)
            return merge.GetString() ?? "";
        return merge.GetArrayLength() == 2
            ? $"{merge[0].GetString()} {merge[1].GetString()}"
            : throw new FormatException($"The merge {merge.GetRawText()} does not have two parts.");
    }

    private static void RequireIds(TokenizerJson tokenizer, string path)
    {
        if (tokenizer.AddedTokens.Any(t => t?.Content is null))
            throw new CheckpointException($"{path}: an added token has no content.");
        foreach (var (spelling, id) in tokenizer.Vocabulary.Concat(tokenizer.AddedTokens.Select(t => KeyValuePair.Create(t.Content, t.Id))))
        {
            if (id is < 0 or >= MostTokens)
                throw new CheckpointException($"{path}: token '{spelling}' has the id {id}; ids from 0 to {MostTokens - 1} are supported.");
        }
    }

    private static Regex ReadWords(JsonElement root, string path)
    {
        if (!IsSet(root, "pre_tokenizer"))
            throw Refuse(path, "no pre_tokenizer", "ByteLevel is needed");
        var steps = root.GetProperty("pre_tokenizer");
        string? pattern = null;
        bool byteLevel = false;
        var all = steps.GetProperty("type").GetString() == "Sequence" ? steps.GetProperty("pretokenizers").EnumerateArray().ToList() : [steps];
        foreach (var step in all)
        {
            switch (step.GetProperty("type").GetString())
            {
                case "Split" when !byteLevel && pattern is null && step.GetProperty("behavior").GetString() == "Isolated":
                    pattern = step.GetProperty("pattern").GetProperty("Regex").GetString();
                    break;
                case "ByteLevel" when !IsSet(step, "add_prefix_space"):
                    byteLevel = true;
                    if (!step.TryGetProperty("use_regex", out var use) || use.GetBoolean())
                        pattern ??= Gpt2Pattern;
                    break;
                default:
                    throw Refuse(path, $"pre_tokenizer {step.GetRawText()}", "ByteLevel without prefix space, alone or after one isolating Split, is");
            }
        }
        return byteLevel && pattern is not null
            ? new Regex(pattern, RegexOptions.Compiled | RegexOptions.CultureInvariant)
            : throw Refuse(path, "a pre_tokenizer without ByteLevel", "ByteLevel is needed");
    }

    private static bool IsSet(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var value)
        && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.False)
        && !(value.ValueKind == JsonValueKind.String && value.GetString() == "");

    private static CheckpointException Refuse(string path, string what, string instead) => new($"{path}: {what} is not supported; {instead}.");
}

/// <summary>A token outside the merges, such as an end-of-text mark.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its text.</param>
/// <param name="Special">Whether it is a control mark, not text.</param>
internal sealed record AddedToken(
    [property: JsonPropertyName("id")] int Id,
    [property: JsonPropertyName("content")] string Content,
    [property: JsonPropertyName("special")] bool Special);
