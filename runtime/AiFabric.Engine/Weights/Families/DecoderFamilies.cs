namespace AiFabric.Engine.Weights.Families;

/// <summary>The families of decoders that the engine runs, by <c>model_type</c>.</summary>
internal static class DecoderFamilies
{
    private static readonly Dictionary<string, (string Architecture, Func<ConfigFields, DecoderConfig> Read)> Readers = new(StringComparer.Ordinal)
    {
        ["llama"] = ("LlamaForCausalLM", LlamaFamilies.Llama),
        ["mistral"] = ("MistralForCausalLM", LlamaFamilies.Mistral),
        ["smollm3"] = ("SmolLM3ForCausalLM", LlamaFamilies.SmolLM3),
        ["qwen2"] = ("Qwen2ForCausalLM", QwenFamilies.Qwen2),
        ["qwen3"] = ("Qwen3ForCausalLM", QwenFamilies.Qwen3),
        ["gemma2"] = ("Gemma2ForCausalLM", GemmaFamilies.Gemma2),
        ["gemma3_text"] = ("Gemma3ForCausalLM", GemmaFamilies.Gemma3),
    };

    /// <summary>What changes a model's arithmetic in ways that no family here has.</summary>
    private static readonly (string Field, string Reason)[] Unsupported =
    [
        ("quantization_config", "quantized checkpoints are not supported; use bf16, fp16 or fp32 weights"),
        ("num_experts", "mixtures of experts are not supported"),
        ("num_local_experts", "mixtures of experts are not supported"),
        ("vision_config", "only text models are supported"),
    ];

    /// <exception cref="CheckpointException">The family is not supported, or the model does what the engine does not; the message names the field.</exception>
    public static DecoderConfig Read(ConfigFields fields)
    {
        string type = fields.Text("model_type", "(absent)");
        if (!Readers.TryGetValue(type, out var family))
            throw fields.Error($"model_type is '{type}'; supported are {string.Join(", ", Readers.Keys.Order(StringComparer.Ordinal).Select(name => $"'{name}'"))}");
        if (fields.Get("architectures") is { } architectures && !architectures.ToString().Contains($"\"{family.Architecture}\"", StringComparison.Ordinal))
            throw fields.Wrong("architectures", architectures, $"[\"{family.Architecture}\"] for model_type '{type}', because the engine generates text and nothing else");
        foreach (var (field, reason) in Unsupported)
            fields.RefuseIfPresent(field, reason);
        fields.RefuseUnless("use_bidirectional_attention", "False", "attention to later positions is not supported");
        return family.Read(fields);
    }

    /// <summary>What all families state in the same fields.</summary>
    /// <param name="fields">The file.</param>
    /// <param name="keyValueHeads">Key-value heads where the file names none; null for as many as heads.</param>
    /// <param name="headSize">Head size where the file names none; null for hidden size / heads.</param>
    /// <param name="positions">Longest sequence where the file names none.</param>
    /// <param name="tied">Whether the head is the embedding where the file does not say.</param>
    public static DecoderConfig Shape(ConfigFields fields, int? keyValueHeads, int? headSize, int positions, bool tied)
    {
        int hidden = fields.Size("hidden_size");
        int heads = fields.Size("num_attention_heads");
        int keyHeads = fields.Size("num_key_value_heads", keyValueHeads ?? heads);
        if (heads % keyHeads != 0)
            throw fields.Error($"num_attention_heads ({heads}) must be a multiple of num_key_value_heads ({keyHeads})");
        int size = fields.Get("head_dim") is null ? headSize ?? (hidden / heads) : fields.Size("head_dim");
        if (size % 2 != 0 || size == 0)
            throw fields.Error($"head_dim ({size}) must be even and above 0, because rotary embeddings turn pairs");
        if ((long)heads * size > ConfigFields.Most)
            throw fields.Error($"num_attention_heads ({heads}) times head_dim ({size}) is above {ConfigFields.Most}");
        int layers = fields.Size("num_hidden_layers");
        if (layers > DecoderConfig.MostLayers)
            throw fields.Error($"num_hidden_layers is {layers}; at most {DecoderConfig.MostLayers} are supported");
        return new DecoderConfig
        {
            HiddenSize = hidden,
            IntermediateSize = fields.Size("intermediate_size"),
            Layers = layers,
            Heads = heads,
            KeyValueHeads = keyHeads,
            HeadSize = size,
            VocabularySize = fields.Size("vocab_size"),
            MaximumPositions = fields.Size("max_position_embeddings", positions),
            NormEpsilon = fields.Positive("rms_norm_eps", 1e-6),
            TieWordEmbeddings = fields.Flag("tie_word_embeddings", tied),
            BeginOfSequenceId = fields.Ids("bos_token_id") is [var first, ..] ? first : null,
            EndOfSequenceIds = fields.Ids("eos_token_id"),
        };
    }
}
