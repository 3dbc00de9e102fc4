namespace AiFabric.Engine.Weights.Gguf;

/// <summary>What a GGUF file's architecture calls a model's tensors, and how it orders their rows.</summary>
/// <remarks>Source: llama.cpp, the tensor names of gguf-py and what convert_hf_to_gguf.py does to each architecture.</remarks>
internal sealed class GgufFamily
{
    private const string LayerPrefix = "model.layers.";

    private static readonly Dictionary<string, string> Tables = new(StringComparer.Ordinal)
    {
        ["model.embed_tokens"] = "token_embd",
        ["model.norm"] = "output_norm",
        ["lm_head"] = "output",
    };

    private static readonly Dictionary<string, string> LayerParts = new(StringComparer.Ordinal)
    {
        ["input_layernorm"] = "attn_norm",
        ["self_attn.q_proj"] = "attn_q",
        ["self_attn.k_proj"] = "attn_k",
        ["self_attn.v_proj"] = "attn_v",
        ["self_attn.o_proj"] = "attn_output",
        ["self_attn.q_norm"] = "attn_q_norm",
        ["self_attn.k_norm"] = "attn_k_norm",
        ["post_attention_layernorm"] = "ffn_norm",
        ["mlp.gate_proj"] = "ffn_gate",
        ["mlp.up_proj"] = "ffn_up",
        ["mlp.down_proj"] = "ffn_down",
    };

    private static readonly Dictionary<string, GgufFamily> Known = new(StringComparer.Ordinal)
    {
        ["llama"] = new GgufFamily("llama") { TurnsNeighbours = true },
        ["smollm3"] = new GgufFamily("smollm3") { TurnsNeighbours = true },
        ["qwen2"] = new GgufFamily("qwen2"),
        ["qwen3"] = new GgufFamily("qwen3"),
        ["gemma2"] = new GgufFamily("gemma2") { IsGemma = true },
        ["gemma3"] = new GgufFamily("gemma3_text") { IsGemma = true },
    };

    /// <summary>Gemma's norms behind attention and the MLP.</summary>
    private static readonly Dictionary<string, string> GemmaParts = new(StringComparer.Ordinal)
    {
        ["post_attention_layernorm"] = "post_attention_norm",
        ["pre_feedforward_layernorm"] = "ffn_norm",
        ["post_feedforward_layernorm"] = "post_ffw_norm",
    };

    private GgufFamily(string modelType) => ModelType = modelType;

    /// <summary>Hugging Face's <c>model_type</c>.</summary>
    public string ModelType { get; }

    /// <summary>Whether the rows of queries and keys are ordered for rotary embeddings of neighbours instead of halves.</summary>
    public bool TurnsNeighbours { get; private init; }

    /// <summary>Whether norms are named, and stored as the factor 1 + w, as in Gemma's files.</summary>
    public bool IsGemma { get; private init; }

    /// <exception cref="CheckpointException">The architecture is not supported, or the file is a part of a model.</exception>
    public static GgufFamily Of(GgufFile file)
    {
        string architecture = ArchitectureOf(file);
        if (file.Metadata.IntegerOrNull("split.count") is > 1 and var parts)
            throw file.Metadata.Refuse($"is one of {parts} parts of a model; merge them (llama-gguf-split --merge), because split files are not supported");
        return Known.TryGetValue(architecture, out var family)
            ? family
            : throw file.Metadata.Refuse($"general.architecture is '{architecture}', which is not supported: {string.Join(", ", Known.Keys)} are");
    }

    /// <summary>The prefix of the metadata values that give the model's shape.</summary>
    public static string ArchitectureOf(GgufFile file) => file.Metadata.Text("general.architecture");

    /// <summary>The file's name of a tensor that Hugging Face calls <paramref name="name"/>; null when it has none.</summary>
    public string? NameOf(string name)
    {
        int dot = name.LastIndexOf('.');
        var (part, kind) = (name[..dot], name[dot..]);
        if (!part.StartsWith(LayerPrefix, StringComparison.Ordinal))
            return Tables.TryGetValue(part, out string? table) ? table + kind : null;
        string[] inLayer = part[LayerPrefix.Length..].Split('.', 2);
        if (inLayer.Length != 2 || !((IsGemma && GemmaParts.TryGetValue(inLayer[1], out string? own)) || LayerParts.TryGetValue(inLayer[1], out own)))
            return null;
        return $"blk.{inLayer[0]}.{own}{kind}";
    }

    /// <summary>What Hugging Face's files lack to this file's numbers: Gemma's norms multiply by 1 + w, and GGUF files hold the sum.</summary>
    public float Surplus(GgufEntry entry) => IsGemma && entry.Name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1 : 0;

    /// <summary>The heads in which a tensor's rows are to be put back into Hugging Face's order; 0 where they are in it.</summary>
    /// <exception cref="CheckpointException">Its rows are not whole heads.</exception>
    public int TurnedHeads(GgufFile file, GgufEntry entry)
    {
        string part = entry.Name[(entry.Name.IndexOf("attn_", StringComparison.Ordinal) is var at and >= 0 ? at : 0)..];
        if (!TurnsNeighbours || part is not ("attn_q.weight" or "attn_k.weight" or "attn_q.bias" or "attn_k.bias"))
            return 0;
        string architecture = ArchitectureOf(file);
        long heads = file.Metadata.Integer($"{architecture}.attention.head_count");
        if (part.StartsWith("attn_k", StringComparison.Ordinal))
            heads = file.Metadata.IntegerOrNull($"{architecture}.attention.head_count_kv") ?? heads;
        if (entry.Shape.IsEmpty || heads is < 1 or > int.MaxValue || entry.Shape[0] % (2 * heads) != 0)
            throw file.Metadata.Refuse($"tensor '{entry.Name}' of shape [{string.Join(", ", entry.Shape)}] is not made of {heads} heads of an even size");
        return (int)heads;
    }
}
