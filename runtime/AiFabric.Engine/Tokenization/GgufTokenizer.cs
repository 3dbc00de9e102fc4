using System.Text.Json;
using AiFabric.Engine.Weights;
using AiFabric.Engine.Weights.Gguf;

namespace AiFabric.Engine.Tokenization;

/// <summary>Says in the terms of a <c>tokenizer.json</c> what a GGUF file's metadata say of its tokenizer.</summary>
/// <remarks>Source: ggml, docs/gguf.md, and the names that llama.cpp gives to ways of cutting text into words.</remarks>
internal static class GgufTokenizer
{
    private const string Prefix = "tokenizer.ggml.";
    private const string Template = "tokenizer.chat_template";
    private const string Bytes = "gpt2", Pieces = "llama";
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
        var tokens = Tokens.Read(file.Metadata);
        return JsonSerializer.SerializeToUtf8Bytes(ModelOf(file.Metadata) == Pieces ? PieceTokenizer(file.Metadata, tokens) : ByteTokenizer(file.Metadata, tokens));
    }

    private static string ModelOf(GgufMetadata metadata) => metadata.Text(Prefix + "model") is (Bytes or Pieces) and var model
        ? model
        : throw metadata.Refuse($"{Prefix}model is '{metadata.Text(Prefix + "model")}'; '{Bytes}' and '{Pieces}' are supported: put the model's tokenizer.json beside the file");

    // Byte-level BPE.
    private static object ByteTokenizer(GgufMetadata metadata, Tokens tokens)
    {
        var words = WordsOf(metadata);
        return new
        {
            version = "1.0",
            added_tokens = tokens.Added,
            pre_tokenizer = words.Steps,
            decoder = new { type = "ByteLevel" },
            model = new
            {
                type = "BPE",
                ignore_merges = words.IgnoresMerges,
                // Others are no part of the merges: marks are added tokens, unused ones fill the table up.
                vocab = tokens.Vocabulary(type => type == GgufTokenTypes.Normal),
                merges = metadata.TextsOrNull(Prefix + "merges") ?? throw metadata.Refuse($"{Prefix}merges is missing"),
            },
        };
    }

    // SentencePiece's BPE over characters, with byte tokens for those that have none.
    private static object PieceTokenizer(GgufMetadata metadata, Tokens tokens)
    {
        float[] scores = metadata.NumbersOrNull(Prefix + "scores") ?? throw metadata.Refuse($"{Prefix}scores is missing");
        if (scores.Length != tokens.Texts.Length)
            throw metadata.Refuse($"{Prefix}scores has {scores.Length} entries for {tokens.Texts.Length} tokens");
        var vocabulary = tokens.Vocabulary(type => type is not (GgufTokenTypes.Control or GgufTokenTypes.Unused));
        bool prepends = metadata.FlagOrNull(Prefix + "add_space_prefix") ?? true;
        object blanks = new { type = "Replace", pattern = new { String = " " }, content = "▁" };
        object[] decoders = [new { type = "Replace", pattern = new { String = "▁" }, content = " " }, new { type = "ByteFallback" }, new { type = "Fuse" }];
        return new
        {
            version = "1.0",
            added_tokens = tokens.Added,
            normalizer = new { type = "Sequence", normalizers = prepends ? (object[])[new { type = "Prepend", prepend = "▁" }, blanks] : [blanks] },
            decoder = new { type = "Sequence", decoders = prepends ? [.. decoders, new { type = "Strip", content = " ", start = 1, stop = 0 }] : decoders },
            model = new
            {
                type = "BPE",
                unk_token = tokens.First(GgufTokenTypes.Unknown),
                fuse_unk = true,
                byte_fallback = true,
                vocab = vocabulary,
                merges = SentencePieceMerges.Of(vocabulary, id => tokens.Types[id] is GgufTokenTypes.Normal or GgufTokenTypes.UserDefined, scores),
            },
        };
    }

    /// <summary>What a <c>tokenizer_config.json</c> would say.</summary>
    /// <exception cref="CheckpointException">A value is of a wrong type or no token of the vocabulary.</exception>
    public static TokenizerSettings Settings(GgufFile file)
    {
        var metadata = file.Metadata;
        string[] tokens = metadata.TextsOrNull(Prefix + "tokens") ?? [];
        bool adds = metadata.FlagOrNull(Prefix + "add_bos_token") ?? (ModelOf(metadata) == Pieces || WordsOf(metadata).AddsBegin);
        return new TokenizerSettings(metadata.TextOrNull(Template), Token("bos_token_id"), Token("eos_token_id"), adds)
        {
            ToolChatTemplate = metadata.TextOrNull(Template + ".tool_use"),
            AddEndOfSequence = metadata.FlagOrNull(Prefix + "add_eos_token"),
        };

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

    /// <summary>The vocabulary as the file has it.</summary>
    private sealed record Tokens(GgufMetadata Metadata, string[] Texts, int[] Types)
    {
        /// <summary>As <c>added_tokens</c>: marks, and words that stand outside of the merges.</summary>
        public IEnumerable<object> Added => Enumerable.Range(0, Texts.Length)
            .Where(id => Types[id] is GgufTokenTypes.Control or GgufTokenTypes.UserDefined)
            .Select(id => new { id, content = Texts[id], special = Types[id] == GgufTokenTypes.Control, normalized = false });

        public static Tokens Read(GgufMetadata metadata)
        {
            string[] texts = metadata.TextsOrNull(Prefix + "tokens") ?? throw metadata.Refuse($"{Prefix}tokens is missing");
            int[] types = metadata.IntegersOrNull(Prefix + "token_type") ?? [.. texts.Select(_ => GgufTokenTypes.Normal)];
            return types.Length == texts.Length
                ? new Tokens(metadata, texts, types)
                : throw metadata.Refuse($"{Prefix}token_type has {types.Length} entries for {texts.Length} tokens");
        }

        public string? First(int type) => Array.IndexOf(Types, type) is >= 0 and var id ? Texts[id] : null;

        public Dictionary<string, int> Vocabulary(Func<int, bool> holds)
        {
            var vocabulary = new Dictionary<string, int>(StringComparer.Ordinal);
            for (int id = 0; id < Texts.Length; id++)
            {
                if (holds(Types[id]) && !vocabulary.TryAdd(Texts[id], id))
                    throw Metadata.Refuse($"{Prefix}tokens holds '{Texts[id]}' twice, as {vocabulary[Texts[id]]} and {id}");
            }
            return vocabulary;
        }
    }
}
