using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models.Encoders;

/// <summary>
/// The Universal Sentence Encoder, Lite: embeddings and a timing signal, transformer layers that norm before each part, the mean over tokens, one tanh
/// layer. The first layer works at the embeddings' width and widens the residual by a matrix of its own.
/// </summary>
/// <remarks>Source: Cer et al., arXiv 1803.11175; the graph of TensorFlow Hub's <c>universal-sentence-encoder-lite/1</c>, whose quirks are kept.</remarks>
public sealed class UseLiteWeights : EncoderWeights
{
    private readonly EncoderConfig config;
    private readonly List<Tensor> owned = [];
    private readonly Tensor embedding;
    private readonly Tensor frequencies;
    private readonly Affine widen;
    private readonly Affine head;
    private readonly Layer[] layers;

    private UseLiteWeights(EncoderConfig config, CheckpointReader reader)
        : base(config.VocabularySize, config.MaximumPositions, config.HiddenSize, reader.Digest())
    {
        this.config = config;
        embedding = Take(reader, "embeddings.weight", config.VocabularySize, config.TokenSize);
        frequencies = Take(reader, "timing.frequencies", config.TokenSize / 2);
        widen = TakeAffine(reader, "layers.0.residual", config.HiddenSize, config.TokenSize);
        head = TakeAffine(reader, "pooler.dense", config.HiddenSize, config.HiddenSize);
        layers = [.. Enumerable.Range(0, config.Layers).Select(layer => TakeLayer(reader, layer))];
    }

    public override long ParameterCount => owned.Sum(tensor => tensor.numel());

    /// <summary>Loads a model folder.</summary>
    /// <exception cref="CheckpointException">The folder cannot be used; the message says why.</exception>
    public static UseLiteWeights Load(string folder, Device device)
    {
        var config = EncoderConfig.Load(folder);
        using var reader = new CheckpointReader(folder, ScalarType.Float32, device);
        try
        {
            return new UseLiteWeights(config, reader);
        }
        catch
        {
            reader.DisposeTaken();
            throw;
        }
    }

    public override Tensor Encode(Tensor tokens, Tensor positions, IReadOnlyList<int> lengths)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var angles = positions.to(ScalarType.Float32).unsqueeze(1) * frequencies;
        // The graph adds the embeddings a second time, after the timing signal.
        var x = (embedding.index_select(0, tokens) * 2) + cat([angles.sin(), angles.cos()], 1);
        for (int layer = 0; layer < layers.Length; layer++)
        {
            var w = layers[layer];
            var (q, k, v) = Split(w.QueryKeyValue.Of(w.AttentionNorm.Of(x, config.NormEpsilon)));
            x = (layer == 0 ? widen.Of(x) : x) + w.Output.Of(EncoderMath.Attention(q, k, v, config.Heads, lengths));
            x = x + w.Down.Of(w.Up.Of(w.FeedForwardNorm.Of(x, config.NormEpsilon)).relu());
        }
        return head.Of(EncoderMath.Means(x, lengths)).tanh().cpu().contiguous().MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing)
    {
        foreach (var tensor in owned)
            tensor.Dispose();
    }

    private static (Tensor Query, Tensor Key, Tensor Value) Split(Tensor all)
    {
        long width = all.shape[1] / 3;
        return (all.narrow(1, 0, width), all.narrow(1, width, width), all.narrow(1, 2 * width, width));
    }

    private Layer TakeLayer(CheckpointReader reader, int layer)
    {
        int width = layer == 0 ? config.TokenSize : config.HiddenSize;
        string prefix = $"layers.{layer}";
        return new Layer(
            TakeNorm(reader, $"{prefix}.attention.layer_norm", width),
            TakeAffine(reader, $"{prefix}.attention.qkv", 3 * width, width),
            TakeAffine(reader, $"{prefix}.attention.output", config.HiddenSize, width),
            TakeNorm(reader, $"{prefix}.feed_forward.layer_norm", config.HiddenSize),
            TakeAffine(reader, $"{prefix}.feed_forward.up", config.IntermediateSize, config.HiddenSize),
            TakeAffine(reader, $"{prefix}.feed_forward.down", config.HiddenSize, config.IntermediateSize));
    }

    private Affine TakeAffine(CheckpointReader reader, string name, int outputs, int inputs) =>
        new(Take(reader, $"{name}.weight", outputs, inputs), Take(reader, $"{name}.bias", outputs));

    private Norm TakeNorm(CheckpointReader reader, string name, int size) =>
        new(Take(reader, $"{name}.weight", size), Take(reader, $"{name}.bias", size));

    private Tensor Take(CheckpointReader reader, string name, params long[] shape)
    {
        var tensor = reader.Take(name, shape);
        owned.Add(tensor);
        return tensor;
    }

    /// <param name="Weight">[outputs, inputs].</param>
    /// <param name="Bias">[outputs].</param>
    private readonly record struct Affine(Tensor Weight, Tensor Bias)
    {
        public Tensor Of(Tensor x) => nn.functional.linear(x, Weight, Bias);
    }

    private readonly record struct Norm(Tensor Weight, Tensor Bias)
    {
        public Tensor Of(Tensor x, double epsilon) => nn.functional.layer_norm(x, [x.shape[1]], Weight, Bias, epsilon);
    }

    private sealed record Layer(Norm AttentionNorm, Affine QueryKeyValue, Affine Output, Norm FeedForwardNorm, Affine Up, Affine Down);
}
