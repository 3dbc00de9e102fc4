using System.Text.Json;
using AiFabric.Engine.Weights;
using AiFabric.Engine.Weights.Gguf;

namespace AiFabric.Engine.Tokenization;

/// <summary>Says in the terms of a <c>tokenizer.json</c> what a GGUF file's metadata say of its tokenizer.</summary>
/// <remarks>Source: ggml, docs/gguf.md, and the names that llama.cpp gives to ways of cutting text into words.</remarks>
internal static class GgufTokenizer
{
    private const string Prefix = "tokenizer.ggml.";
    private const string Contractions = "'(?i:[sdmt]|ll|ve|re)";

    /// <summary>By <c>tokenizer.ggml.pre</c>: the pattern that cuts words, null for GPT-2's own; and whether digits stand alone before it.</summary>
    private static readonly Dictionary<string, Words> Known = new(StringComparer.Ordinal)
    {
        ["gpt-2"] = new(null),
        ["smollm"] = new(null) { SingleDigits = true },
        ["llama3"] = Llama3,
        ["llama-v3"] = Llama3,
        ["llama-bpe"] = Llama3,
        ["qwen2"] = Modern(@"\p{N}"),
        ["deepseek-r1-qwen"] = Modern(@"\p{N}"),
    };

    private static Words Llama3 => Modern(@"\p{N}{1,3}") with { IgnoresMerges = true, AddsBegin = true };

    /// <summary>The <c>tokenizer.json</c> text.</summary>
    /// <exception cref="CheckpointException">The tokenizer is of a kind that is not supported, or a value is missing.</exception>
    public static byte[] ToJson(GgufFile file)
    {
        var metadata = file.Metadata;
        string model = metadata.Text(Prefix + "model");
        if (model != "gpt2")
            throw metadata.Refuse($"{Prefix}model is '{model}'; only 'gpt2', byte-level BPE, is supported: put the model's tokenizer.json beside the file");
        var words = WordsOf(metadata);
        string[] tokens = metadata.TextsOrNull(Prefix + "tokens") ?? throw metadata.Refuse($"{Prefix}tokens is missing");
        int[] types = metadata.IntegersOrNull(Prefix + "token_type") ?? [.. tokens.Select(_ => GgufTokenTypes.Normal)];
        string[] merges = metadata.TextsOrNull(Prefix + "merges") ?? throw metadata.Refuse($"{Prefix}merges is missing");
        if (types.Length != tokens.Length)
            throw metadata.Refuse($"{Prefix}token_type has {types.Length} entries for {tokens.Length} tokens");
        var added = Enumerable.Range(0, tokens.Length).Where(id => types[id] is GgufTokenTypes.Control or GgufTokenTypes.UserDefined);
        return JsonSerializer.SerializeToUtf8Bytes(new
        {
            version = "1.0",
            added_tokens = added.Select(id => new { id, content = tokens[id], special = types[id] == GgufTokenTypes.Control, normalized = false }),
            pre_tokenizer = words.Steps,
            decoder = new { type = "ByteLevel" },
            model = new { type = "BPE", ignore_merges = words.IgnoresMerges, vocab = Vocabulary(metadata, tokens, types), merges },
        });
    }

    /// <summary>What a <c>tokenizer_config.json</c> would say.</summary>
    /// <exception cref="CheckpointException">A value is of a wrong type or no token of the vocabulary.</exception>
    public static TokenizerSettings Settings(GgufFile file)
    {
        var metadata = file.Metadata;
        string[] tokens = metadata.TextsOrNull(Prefix + "tokens") ?? [];
        bool adds = metadata.FlagOrNull(Prefix + "add_bos_token") ?? WordsOf(metadata).AddsBegin;
        return new TokenizerSettings(metadata.TextOrNull("tokenizer.chat_template"), Token("bos_token_id"), Token("eos_token_id"), adds);

        string? Token(string key) => metadata.IntegerOrNull(Prefix + key) switch
        {
            null => null,
            { } id when id >= 0 && id < tokens.Length => tokens[id],
            { } id => throw metadata.Refuse($"{Prefix}{key} is {id}, but there are {tokens.Length} tokens"),
        };
    }

    private static Words WordsOf(GgufMetadata metadata)
    {
        string pre = metadata.TextOrNull(Prefix + "pre") ?? "(absent)";
        return Known.TryGetValue(pre, out var words)
            ? words
            : throw metadata.Refuse($"{Prefix}pre is '{pre}', which is not supported ({string.Join(", ", Known.Keys)} are): put the model's tokenizer.json beside the file");
    }

    private static Dictionary<string, int> Vocabulary(GgufMetadata metadata, string[] tokens, int[] types)
    {
        var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int id = 0; id < tokens.Length; id++)
        {
            // Others are no part of the merges: marks are added tokens, unused ones fill the table up.
            if (types[id] == GgufTokenTypes.Normal && !vocabulary.TryAdd(tokens[id], id))
                throw metadata.Refuse($"{Prefix}tokens holds '{tokens[id]}' twice, as {vocabulary[tokens[id]]} and {id}");
        }
        return vocabulary;
    }

    // Words as GPT-4 and its followers cut them; they differ in how many digits stay together.
    private static Words Modern(string digits) =>
        new($@"{Contractions}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+");

    private sealed record Words(string? Pattern)
    {
        /// <summary>Whether every digit is a word.</summary>
        public bool SingleDigits { get; init; }

        /// <summary>Whether a word that is a token stays whole though no merges lead to it.</summary>
        public bool IgnoresMerges { get; init; }

        /// <summary>Whether prompts open with the begin mark where the file does not say.</summary>
        public bool AddsBegin { get; init; }

        /// <summary>As a <c>pre_tokenizer</c>.</summary>
        public object Steps
        {
            get
            {
                var bytes = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = Pattern is null };
                if (SingleDigits)
                    return Sequence(new { type = "Digits", individual_digits = true }, bytes);
                return Pattern is null ? bytes : Sequence(new { type = "Split", pattern = new { Regex = Pattern }, behavior = "Isolated", invert = false }, bytes);
            }
        }

        private static object Sequence(params object[] pretokenizers) => new { type = "Sequence", pretokenizers };
    }
}
