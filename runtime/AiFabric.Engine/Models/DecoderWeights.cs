using AiFabric.Engine.Adapters;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>The weights of a Llama decoder as tensors. Owns them; none requires a gradient.</summary>
public sealed class DecoderWeights : BaseWeights
{
    private KernelWeights? kernels;

    private DecoderWeights(DecoderConfig config, ScalarType type, Device device, string digest, CheckpointReader reader)
        : base(config, type, device, digest)
    {
        int hidden = config.HiddenSize;
        Embedding = reader.Take("model.embed_tokens.weight", config.VocabularySize, hidden);
        FinalNorm = reader.Take("model.norm.weight", hidden);
        Head = config.TieWordEmbeddings ? Embedding.alias().DetachFromDisposeScope() : reader.Take("lm_head.weight", config.VocabularySize, hidden);
        var layers = new DecoderLayer[config.Layers];
        for (int layer = 0; layer < layers.Length; layer++)
            layers[layer] = new DecoderLayer(config, layer, reader.Take);
        Layers = layers;
        reader.RequireComplete();
    }

    /// <summary>[vocab, hidden].</summary>
    public Tensor Embedding { get; }

    public override Tensor FinalNorm { get; }

    /// <summary>[vocab, hidden]; shares the embedding's memory where the model ties them.</summary>
    public Tensor Head { get; }

    public IReadOnlyList<DecoderLayer> Layers { get; }

    public override string Format => Type.ToString();

    public override long ParameterCount =>
        Embedding.numel() + FinalNorm.numel() + (Config.TieWordEmbeddings ? 0 : Head.numel()) + Layers.Sum(layer => layer.ParameterCount);

    /// <summary>The same memory for kernels: on the CPU, in Float32 or BFloat16. Not thread safe.</summary>
    internal KernelWeights Kernels => kernels ??= KernelWeights.Of(this);

    /// <summary>Reads a Hugging Face model folder, or a GGUF file.</summary>
    /// <param name="folder">Holds config.json and model.safetensors, or the shards that model.safetensors.index.json lists; or one GGUF file. May be that file itself.</param>
    /// <param name="type">Element type wanted in memory, whatever the file's.</param>
    /// <param name="device">Where the weights live.</param>
    /// <exception cref="CheckpointException">A file or tensor is missing, damaged, or of another shape than config.json says.</exception>
    public static DecoderWeights Load(string folder, ScalarType type, Device device)
    {
        Interop.TorchRuntime.EnsureLoaded();
        var config = DecoderConfig.Load(folder);
        using var reader = new CheckpointReader(folder, type, device);
        try
        {
            return new DecoderWeights(config, type, device, reader.Digest(), reader);
        }
        catch
        {
            reader.DisposeTaken();
            throw;
        }
    }

    public override DecoderLayer TrainingLayer(int layer) => Layers[layer];

    public override Tensor TrainingHead() => Head.alias();

    protected override void Dispose(bool disposing)
    {
        kernels?.Dispose();
        Embedding.Dispose();
        FinalNorm.Dispose();
        Head.Dispose();
        foreach (var layer in Layers)
            layer.Dispose();
    }
}

/// <summary>Makes a tensor of a checkpoint's name and shape, which the caller owns.</summary>
internal delegate Tensor TakeTensor(string name, params long[] shape);

/// <summary>One decoder block, in Hugging Face's layout: matrices are [out, in].</summary>
public sealed class DecoderLayer
{
    /// <param name="config">Gives the shapes.</param>
    /// <param name="layer">Which one.</param>
    /// <param name="take">Makes a tensor of a name and shape.</param>
    internal DecoderLayer(DecoderConfig config, int layer, TakeTensor take)
    {
        string prefix = $"model.layers.{layer}.";
        int hidden = config.HiddenSize, queries = config.Heads * config.HeadSize, keys = config.KeyValueHeads * config.HeadSize;
        AttentionNorm = take(prefix + "input_layernorm.weight", hidden);
        Query = take(prefix + "self_attn.q_proj.weight", queries, hidden);
        Key = take(prefix + "self_attn.k_proj.weight", keys, hidden);
        Value = take(prefix + "self_attn.v_proj.weight", keys, hidden);
        Output = take(prefix + "self_attn.o_proj.weight", hidden, queries);
        MlpNorm = take(prefix + "post_attention_layernorm.weight", hidden);
        Gate = take(prefix + "mlp.gate_proj.weight", config.IntermediateSize, hidden);
        Up = take(prefix + "mlp.up_proj.weight", config.IntermediateSize, hidden);
        Down = take(prefix + "mlp.down_proj.weight", hidden, config.IntermediateSize);
    }

    /// <summary>The matrix that an adapter's pair is added to.</summary>
    internal Tensor this[LoraTarget target] => target switch
    {
        LoraTarget.Query => Query,
        LoraTarget.Key => Key,
        LoraTarget.Value => Value,
        LoraTarget.Output => Output,
        LoraTarget.Gate => Gate,
        LoraTarget.Up => Up,
        LoraTarget.Down => Down,
        _ => throw new ArgumentOutOfRangeException(nameof(target), target, null),
    };

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
