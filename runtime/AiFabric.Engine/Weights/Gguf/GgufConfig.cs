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
        var shape = new GgufShape(file);
        long hidden = shape.Integer("embedding_length"), heads = shape.Integer("attention.head_count");
        if (heads < 1)
            throw file.Metadata.Refuse($"attention.head_count is {heads}; it must be positive");
        long headSize = shape.IntegerOrNull("attention.key_length") ?? (hidden / heads);
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
            ["rope_theta"] = GgufRope.Theta(shape),
            ["rope_scaling"] = GgufRope.Scaling(file, shape, headSize),
            ["attention_bias"] = file.Tensors.ContainsKey("blk.0.attn_output.bias"),
            ["mlp_bias"] = file.Tensors.ContainsKey("blk.0.ffn_gate.bias"),
            ["tie_word_embeddings"] = !file.Tensors.ContainsKey(Head),
            ["bos_token_id"] = file.Metadata.IntegerOrNull("tokenizer.ggml.bos_token_id"),
            ["eos_token_id"] = Ends(file.Metadata),
        };
        if (family.IsGemma)
            AddGemma(fields, shape, hidden, heads, headSize);
        RefuseOthers(file, family, shape, headSize);
        return fields;
    }

    private static void RefuseOthers(GgufFile file, GgufFamily family, GgufShape shape, long headSize)
    {
        shape.Expect("attention.value_length", headSize);
        shape.Expect("rope.dimension_count", headSize);
        shape.Expect("expert_count", 0);
        shape.Expect("expert_used_count", 0);
        shape.Expect("vocab_size", VocabularySize(file));
        if (shape.NumberOrNull("rope.freq_base_swa") is { } local && family.ModelType != "gemma3_text" && local != GgufRope.Theta(shape))
            throw file.Metadata.Refuse($"rope.freq_base_swa is {local}; layers with a window turn like the others in this architecture");
        shape.RefuseOthers();
    }

    private static void AddGemma(Dictionary<string, object?> fields, GgufShape shape, long hidden, long heads, long headSize)
    {
        fields["sliding_window"] = shape.Integer("attention.sliding_window");
        foreach (string cap in (string[])["attn_logit_softcapping", "final_logit_softcapping"])
        {
            if (shape.NumberOrNull(cap) is { } value)
                fields[cap] = value;
        }
        bool second = (string?)fields["model_type"] == "gemma2";
        if (!second)
            fields["rope_local_base_freq"] = shape.NumberOrNull("rope.freq_base_swa");
        // No key states it. llama.cpp knows the two models of 27 billion by their layers: they alone divide by another root than the head size's.
        bool largest = shape.Integer("block_count") == (second ? 46 : 62);
        fields["query_pre_attn_scalar"] = largest ? hidden / heads : headSize;
    }

    private static long VocabularySize(GgufFile file) => file.Tensors.TryGetValue(Embedding, out var entry) && entry.Shape.Length == 2
        ? entry.Shape[0]
        : throw file.Metadata.Refuse($"has no matrix '{Embedding}'");

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
}
