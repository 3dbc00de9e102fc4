using AiFabric.Engine.Adapters;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>The weights of a decoder as tensors. Owns them; none requires a gradient.</summary>
public sealed class DecoderWeights : BaseWeights
{
    private DecoderWeights(DecoderConfig config, ScalarType type, Device device, CheckpointDigest digest, CheckpointReader reader)
        : base(config, type, digest)
    {
        Device = device;
        int hidden = config.HiddenSize;
        Embedding = reader.Take("model.embed_tokens.weight", config.VocabularySize, hidden);
        FinalNorm = reader.Take(new StoredVector("model.norm.weight", hidden, config.NormOffset));
        var head = config.TieWordEmbeddings ? null : reader.Take("lm_head.weight", config.VocabularySize, hidden);
        var layers = new DecoderLayer[config.Layers];
        for (int layer = 0; layer < layers.Length; layer++)
            layers[layer] = Read(reader, config, layer);
        Layers = layers;
        reader.Files.RequireComplete();
        // Last, because a load that fails frees what was taken, and nothing else.
        Head = head ?? Embedding.alias().DetachFromDisposeScope();
    }

    public override Device Device { get; }

    /// <summary>[vocab, hidden].</summary>
    public Tensor Embedding { get; }

    public override Tensor FinalNorm { get; }

    /// <summary>[vocab, hidden]; shares the embedding's memory where the model ties them.</summary>
    public Tensor Head { get; }

    public IReadOnlyList<DecoderLayer> Layers { get; }

    public override string Format => Type.ToString();

    public override long ParameterCount =>
        Embedding.numel() + FinalNorm.numel() + (Config.TieWordEmbeddings ? 0 : Head.numel()) + Layers.Sum(layer => layer.All.Sum(tensor => tensor.numel()));

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
            return new DecoderWeights(config, type, device, reader.Files.Digest(), reader);
        }
        catch
        {
            reader.DisposeTaken();
            throw;
        }
    }

    public override DecoderLayer TrainingLayer(int layer) => Layers[layer];

    public override Tensor Matrix(int layer, LoraTarget target) => Layers[layer][target].alias();

    public override Tensor? Vector(int layer, LayerVector vector) => Layers[layer][vector];

    public override Tensor TrainingHead() => Head.alias();

    protected override void Dispose(bool disposing)
    {
        foreach (var tensor in Layers.SelectMany(layer => layer.All).Concat([Embedding, FinalNorm, Head]))
            tensor.Dispose();
    }

    private static DecoderLayer Read(CheckpointReader reader, DecoderConfig config, int layer)
    {
        Tensor?[] vectors = [.. LayerVectors.All.Select(vector => LayerVectors.Stored(config, layer, vector) is { } stored ? reader.Take(stored) : null)];
        Tensor[] matrices = [.. LoraTargets.All.Select(target =>
        {
            (int input, int output) = PeftFolder.Shape(config, target);
            return reader.Take($"model.layers.{layer}.{target.ModulePath()}.weight", output, input);
        })];
        return new DecoderLayer(matrices, vectors);
    }
}
