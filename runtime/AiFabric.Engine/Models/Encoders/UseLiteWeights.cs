using static TorchSharp.torch;

namespace AiFabric.Engine.Models.Encoders;

/// <summary>
/// The Universal Sentence Encoder, Lite: embeddings and a timing signal, transformer layers that norm before each part, the mean over tokens, one tanh
/// layer. The first layer works at the embeddings' width and widens the residual by a matrix of its own.
/// </summary>
/// <remarks>Source: Cer et al., arXiv 1803.11175; the graph of TensorFlow Hub's <c>universal-sentence-encoder-lite/1</c>, whose quirks are kept.</remarks>
internal sealed class UseLiteWeights : EncoderWeights
{
    private readonly EncoderConfig config;
    private readonly EncoderTensors tensors;
    private readonly Tensor embedding;
    private readonly Tensor frequencies;
    private readonly Affine widen;
    private readonly Affine head;
    private readonly Layer[] layers;

    /// <exception cref="Engine.Weights.CheckpointException">A tensor is missing or of another shape.</exception>
    public UseLiteWeights(EncoderConfig config, CheckpointReader reader)
        : base(config, reader.Files.Digest().Read())
    {
        (this.config, tensors) = (config, new EncoderTensors(reader));
        embedding = tensors.Take("embeddings.weight", config.VocabularySize, config.TokenSize);
        frequencies = tensors.Take("timing.frequencies", config.TokenSize / 2);
        widen = tensors.TakeAffine("layers.0.residual", config.HiddenSize, config.TokenSize);
        head = tensors.TakeAffine("pooler.dense", config.HiddenSize, config.HiddenSize);
        layers = [.. Enumerable.Range(0, config.Layers).Select(TakeLayer)];
    }

    public override long ParameterCount => tensors.Count;

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

    protected override void Dispose(bool disposing) => tensors.Dispose();

    private static (Tensor Query, Tensor Key, Tensor Value) Split(Tensor all)
    {
        long width = all.shape[1] / 3;
        return (all.narrow(1, 0, width), all.narrow(1, width, width), all.narrow(1, 2 * width, width));
    }

    private Layer TakeLayer(int layer)
    {
        int width = layer == 0 ? config.TokenSize : config.HiddenSize;
        string prefix = $"layers.{layer}";
        return new Layer(
            tensors.TakeNorm($"{prefix}.attention.layer_norm", width),
            tensors.TakeAffine($"{prefix}.attention.qkv", 3 * width, width),
            tensors.TakeAffine($"{prefix}.attention.output", config.HiddenSize, width),
            tensors.TakeNorm($"{prefix}.feed_forward.layer_norm", config.HiddenSize),
            tensors.TakeAffine($"{prefix}.feed_forward.up", config.IntermediateSize, config.HiddenSize),
            tensors.TakeAffine($"{prefix}.feed_forward.down", config.HiddenSize, config.IntermediateSize));
    }

    private sealed record Layer(LayerNorm AttentionNorm, Affine QueryKeyValue, Affine Output, LayerNorm FeedForwardNorm, Affine Up, Affine Down);
}
