using System.Text.Json;

namespace AiFabric.Engine.Weights.Gguf;

/// <summary>Says in the terms of a Hugging Face <c>config.json</c> what a GGUF file's metadata say of the model's shape.</summary>
/// <remarks>Source: ggml, docs/gguf.md, and the keys of gguf-py.</remarks>
internal static class GgufConfig
{
    private const string Embedding = "token_embd.weight", Head = "output.weight";

    /// <summary>Marks that end a turn. llama.cpp knows them by their text as well, because files name only one end.</summary>
    private static readonly string[] TurnEnds = ["<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>"];

    /// <exception cref="CheckpointException">A value is missing, of a wrong type, or asks for what no family here does.</exception>
    public static DecoderConfig Read(GgufFile file) => DecoderConfig.Parse(JsonSerializer.Serialize(Fields(file)), file.Path);

    private static Dictionary<string, object?> Fields(GgufFile file)
    {
        var family = GgufFamily.Of(file);
        var shape = new Shape(file);
        long hidden = shape.Integer("embedding_length"), heads = shape.Integer("attention.head_count");
        if (heads < 1)
            throw file.Metadata.Refuse($"attention.head_count is {heads}; it must be positive");
        long headSize = shape.IntegerOrNull("attention.key_length") ?? (hidden / heads);
        shape.Expect("attention.value_length", headSize);
        shape.Expect("rope.dimension_count", headSize);
        shape.Expect("expert_count", 0);
        shape.Expect("expert_used_count", 0);
        var fields = new Dictionary<string, object?>
        {
            ["model_type"] = family.ModelType,
            ["hidden_size"] = hidden,
            ["intermediate_size"] = shape.Integer("feed_forward_length"),
            ["num_hidden_layers"] = shape.Integer("block_count"),
            ["num_attention_heads"] = heads,
            ["num_key_value_heads"] = shape.IntegerOrNull("attention.head_count_kv") ?? heads,
            ["head_dim"] = headSize,
            ["vocab_size"] = VocabularySize(file),
            ["max_position_embeddings"] = shape.Integer("context_length"),
            ["rms_norm_eps"] = shape.Number("attention.layer_norm_rms_epsilon"),
            ["rope_theta"] = shape.NumberOrNull("rope.freq_base"),
            ["rope_scaling"] = RopeScaling(shape),
            ["tie_word_embeddings"] = !file.Tensors.ContainsKey(Head),
            ["bos_token_id"] = file.Metadata.IntegerOrNull("tokenizer.ggml.bos_token_id"),
            ["eos_token_id"] = Ends(file.Metadata),
        };
        shape.Expect("vocab_size", (long)fields["vocab_size"]!); // set above
        if (family.IsGemma)
            AddGemma(fields, shape, hidden, heads, headSize);
        shape.RefuseOthers();
        return fields;
    }

    private static void AddGemma(Dictionary<string, object?> fields, Shape shape, long hidden, long heads, long headSize)
    {
        fields["sliding_window"] = shape.Integer("attention.sliding_window");
        fields["attn_logit_softcapping"] = shape.NumberOrNull("attn_logit_softcapping");
        fields["final_logit_softcapping"] = shape.NumberOrNull("final_logit_softcapping");
        // No key states it. llama.cpp knows the two models of 27 billion by their layers: they alone divide by another root than the head size's.
        bool largest = shape.Integer("block_count") == ((string?)fields["model_type"] == "gemma2" ? 46 : 62);
        fields["query_pre_attn_scalar"] = largest ? hidden / heads : headSize;
    }

    private static long VocabularySize(GgufFile file) => file.Tensors.TryGetValue(Embedding, out var entry) && entry.Shape.Length == 2
        ? entry.Shape[0]
        : throw file.Metadata.Refuse($"has no matrix '{Embedding}'");

    private static Dictionary<string, object?>? RopeScaling(Shape shape)
    {
        string? type = shape.TextOrNull("rope.scaling.type");
        double? factor = shape.NumberOrNull("rope.scaling.factor");
        long? original = shape.IntegerOrNull("rope.scaling.original_context_length");
        shape.Ignore("rope.scaling.finetuned"); // How the model was trained, not how it computes.
        if (type is null or "none")
            return null;
        var scaling = new Dictionary<string, object?> { ["rope_type"] = type, ["factor"] = factor };
        if (original is not null)
            scaling["original_max_position_embeddings"] = original;
        return scaling;
    }

    private static long[] Ends(GgufMetadata metadata)
    {
        var ends = new HashSet<long>();
        foreach (string key in (string[])["eos_token_id", "eot_token_id", "eom_token_id"])
        {
            if (metadata.IntegerOrNull("tokenizer.ggml." + key) is { } id)
                ends.Add(id);
        }
        string[] tokens = metadata.TextsOrNull("tokenizer.ggml.tokens") ?? [];
        int[] types = metadata.IntegersOrNull("tokenizer.ggml.token_type") ?? [];
        for (int id = 0; id < Math.Min(tokens.Length, types.Length); id++)
        {
            if (types[id] == GgufTokenTypes.Control && TurnEnds.Contains(tokens[id]))
                ends.Add(id);
        }
        return [.. ends];
    }

    /// <summary>The values under the architecture's prefix. What nobody asks for may change the arithmetic, so it is refused.</summary>
    private sealed class Shape(GgufFile file)
    {
        private readonly string prefix = GgufFamily.ArchitectureOf(file) + ".";
        private readonly HashSet<string> asked = new(StringComparer.Ordinal);

        public long Integer(string name) => file.Metadata.Integer(Ask(name));

        public long? IntegerOrNull(string name) => file.Metadata.IntegerOrNull(Ask(name));

        public double Number(string name) => NumberOrNull(name) ?? throw file.Metadata.Refuse($"the metadata value '{prefix}{name}' is missing");

        public double? NumberOrNull(string name) => file.Metadata.NumberOrNull(Ask(name)) is not { } number
            ? null
            : double.IsFinite(number) ? Decimal(number) : throw file.Metadata.Refuse($"'{prefix}{name}' is {number}; it must be a number");

        public string? TextOrNull(string name) => file.Metadata.TextOrNull(Ask(name));

        public void Ignore(string name) => Ask(name);

        public void Expect(string name, long only)
        {
            if (IntegerOrNull(name) is { } found && found != only)
                throw file.Metadata.Refuse($"'{prefix}{name}' is {found}; only {only} is supported here");
        }

        public void RefuseOthers()
        {
            if (file.Metadata.Keys.FirstOrDefault(key => key.StartsWith(prefix, StringComparison.Ordinal) && !asked.Contains(key)) is { } other)
                throw file.Metadata.Refuse($"the metadata value '{other}' asks for what is not supported");
        }

        private string Ask(string name)
        {
            asked.Add(prefix + name);
            return prefix + name;
        }

        // The shortest decimal that is this float32: 1e-5 became 9.9999997e-6 on its way into the file.
        private static double Decimal(double number) =>
            double.Parse(((float)number).ToString(System.Globalization.CultureInfo.InvariantCulture), System.Globalization.CultureInfo.InvariantCulture);
    }
}
