using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>The weights of a Llama decoder. Owns its tensors, none of which requires a gradient.</summary>
public sealed class LlamaWeights : IDisposable
{
    private LlamaWeights(LlamaConfig config, ScalarType type, Device device, string digest, CheckpointReader reader)
    {
        (Config, Type, Device, Digest) = (config, type, device, digest);
        int hidden = config.HiddenSize;
        Embedding = reader.Take("model.embed_tokens.weight", config.VocabularySize, hidden);
        FinalNorm = reader.Take("model.norm.weight", hidden);
        Head = config.TieWordEmbeddings ? Embedding.alias().DetachFromDisposeScope() : reader.Take("lm_head.weight", config.VocabularySize, hidden);
        var layers = new LlamaLayerWeights[config.Layers];
        for (int layer = 0; layer < layers.Length; layer++)
            layers[layer] = new LlamaLayerWeights(config, layer, reader);
        Layers = layers;
    }

    public LlamaConfig Config { get; }

    /// <summary>Element type of every weight: Float32, BFloat16 or Float64.</summary>
    public ScalarType Type { get; }

    public Device Device { get; }

    /// <summary>[vocab, hidden].</summary>
    public Tensor Embedding { get; }

    /// <summary>[hidden].</summary>
    public Tensor FinalNorm { get; }

    /// <summary>[vocab, hidden]; shares the embedding's memory where the model ties them.</summary>
    public Tensor Head { get; }

    public IReadOnlyList<LlamaLayerWeights> Layers { get; }

    /// <summary>Numbers the model was trained with; a tied head is not counted twice.</summary>
    public long ParameterCount =>
        Embedding.numel() + FinalNorm.numel() + (Config.TieWordEmbeddings ? 0 : Head.numel()) + Layers.Sum(layer => layer.ParameterCount);

    /// <summary><c>sha256:…</c> over config.json and the safetensors files, in the order of their names.</summary>
    public string Digest { get; }

    /// <summary>Reads a Hugging Face model folder.</summary>
    /// <param name="folder">Holds config.json and model.safetensors, or the shards that model.safetensors.index.json lists.</param>
    /// <param name="type">Element type wanted in memory, whatever the file's.</param>
    /// <param name="device">Where the weights live.</param>
    /// <exception cref="CheckpointException">A file or tensor is missing, damaged, or of another shape than config.json says.</exception>
    public static LlamaWeights Load(string folder, ScalarType type, Device device)
    {
        Interop.TorchRuntime.EnsureLoaded();
        var config = LlamaConfig.Load(folder);
        using var reader = new CheckpointReader(folder, type, device);
        try
        {
            return new LlamaWeights(config, type, device, reader.Digest(), reader);
        }
        catch
        {
            reader.DisposeTaken();
            throw;
        }
    }

    public void Dispose()
    {
        Embedding.Dispose();
        FinalNorm.Dispose();
        Head.Dispose();
        foreach (var layer in Layers)
            layer.Dispose();
    }
}

/// <summary>One decoder block, in Hugging Face's layout: matrices are [out, in].</summary>
public sealed class LlamaLayerWeights
{
    internal LlamaLayerWeights(LlamaConfig config, int layer, CheckpointReader reader)
    {
        string prefix = $"model.layers.{layer}.";
        int hidden = config.HiddenSize, queries = config.Heads * config.HeadSize, keys = config.KeyValueHeads * config.HeadSize;
        AttentionNorm = reader.Take(prefix + "input_layernorm.weight", hidden);
        Query = reader.Take(prefix + "self_attn.q_proj.weight", queries, hidden);
        Key = reader.Take(prefix + "self_attn.k_proj.weight", keys, hidden);
        Value = reader.Take(prefix + "self_attn.v_proj.weight", keys, hidden);
        Output = reader.Take(prefix + "self_attn.o_proj.weight", hidden, queries);
        MlpNorm = reader.Take(prefix + "post_attention_layernorm.weight", hidden);
        Gate = reader.Take(prefix + "mlp.gate_proj.weight", config.IntermediateSize, hidden);
        Up = reader.Take(prefix + "mlp.up_proj.weight", config.IntermediateSize, hidden);
        Down = reader.Take(prefix + "mlp.down_proj.weight", hidden, config.IntermediateSize);
    }

    /// <summary>[hidden].</summary>
    public Tensor AttentionNorm { get; }

    /// <summary>[heads · headDim, hidden].</summary>
    public Tensor Query { get; }

    /// <summary>[kvHeads · headDim, hidden].</summary>
    public Tensor Key { get; }

    /// <summary>[kvHeads · headDim, hidden].</summary>
    public Tensor Value { get; }

    /// <summary>[hidden, heads · headDim].</summary>
    public Tensor Output { get; }

    /// <summary>[hidden].</summary>
    public Tensor MlpNorm { get; }

    /// <summary>[intermediate, hidden].</summary>
    public Tensor Gate { get; }

    /// <summary>[intermediate, hidden].</summary>
    public Tensor Up { get; }

    /// <summary>[hidden, intermediate].</summary>
    public Tensor Down { get; }

    internal long ParameterCount =>
        AttentionNorm.numel() + Query.numel() + Key.numel() + Value.numel() + Output.numel() + MlpNorm.numel() + Gate.numel() + Up.numel() + Down.numel();

    internal void Dispose()
    {
        AttentionNorm.Dispose();
        Query.Dispose();
        Key.Dispose();
        Value.Dispose();
        Output.Dispose();
        MlpNorm.Dispose();
        Gate.Dispose();
        Up.Dispose();
        Down.Dispose();
    }
}
