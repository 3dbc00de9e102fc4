using System.Text.Encodings.Web;
using System.Text.Json;
using AiFabric.Engine.Tokenization;

namespace AiFabric.Pretraining.Tokens;

/// <summary>Writes a trained byte-level BPE as Hugging Face files.</summary>
internal static class TokenizerWriter
{
    public const string EndOfText = "<|endoftext|>";
    public const string BeginOfSequence = "<|bos|>";
    public const int SpecialTokens = 2;

    /// <summary>A plain text model continues what it is given, so that a conversation is its messages with blank lines between them.</summary>
    private const string ChatTemplate =
        "{% for message in messages %}{{ message['content'] }}{% if not loop.last %}{{ '\\n\\n' }}{% endif %}{% endfor %}";

    private static readonly JsonSerializerOptions Plain = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes <c>tokenizer.json</c> and <c>tokenizer_config.json</c>: ids 0 and 1 are the marks, then the 256 bytes, then the merges.</summary>
    public static void Write(string folder, IReadOnlyList<(int Left, int Right)> merges, int maximumPositions)
    {
        var spellings = Enumerable.Range(0, 256).Select(b => ByteAlphabet.CharacterOf((byte)b).ToString()).ToList();
        var lines = new List<string>();
        foreach (var (left, right) in merges)
        {
            lines.Add($"{spellings[left]} {spellings[right]}");
            spellings.Add(spellings[left] + spellings[right]);
        }
        var vocabulary = new Dictionary<string, int> { [EndOfText] = 0, [BeginOfSequence] = 1 };
        foreach (string spelling in spellings)
            vocabulary.Add(spelling, vocabulary.Count);

        var byteLevel = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = true };
        var tokenizer = new
        {
            version = "1.0",
            truncation = (object?)null,
            padding = (object?)null,
            added_tokens = new[] { AddedToken(0, EndOfText), AddedToken(1, BeginOfSequence) },
            normalizer = (object?)null,
            pre_tokenizer = byteLevel,
            post_processor = new
            {
                type = "TemplateProcessing",
                single = new object[] { Mark(BeginOfSequence), Sequence("A", 0) },
                pair = new object[] { Mark(BeginOfSequence), Sequence("A", 0), Sequence("B", 0) },
                special_tokens = new Dictionary<string, object> { [BeginOfSequence] = new { id = BeginOfSequence, ids = (int[])[1], tokens = (string[])[BeginOfSequence] } },
            },
            decoder = byteLevel,
            model = new
            {
                type = "BPE",
                dropout = (object?)null,
                unk_token = (object?)null,
                continuing_subword_prefix = (object?)null,
                end_of_word_suffix = (object?)null,
                fuse_unk = false,
                byte_fallback = false,
                ignore_merges = false,
                vocab = vocabulary,
                merges = lines,
            },
        };
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), JsonSerializer.Serialize(tokenizer, Plain) + "\n");
        WriteConfig(folder, maximumPositions);
    }

    private static void WriteConfig(string folder, int maximumPositions)
    {
        var config = new
        {
            tokenizer_class = "PreTrainedTokenizerFast",
            bos_token = BeginOfSequence,
            eos_token = EndOfText,
            add_bos_token = true,
            add_eos_token = false,
            clean_up_tokenization_spaces = false,
            model_max_length = maximumPositions,
            chat_template = ChatTemplate,
        };
        File.WriteAllText(Path.Combine(folder, "tokenizer_config.json"), JsonSerializer.Serialize(config, Plain) + "\n");
    }

    private static object AddedToken(int id, string content) =>
        new { id, content, single_word = false, lstrip = false, rstrip = false, normalized = false, special = true };

    private static object Mark(string id) => new { SpecialToken = new { id, type_id = 0 } };

    private static object Sequence(string id, int type) => new { Sequence = new { id, type_id = type } };
}
