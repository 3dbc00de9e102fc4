using static TorchSharp.torch;

namespace AiFabric.Engine.Models.Encoders;

/// <summary>A BERT without its pooler: embeddings of token, position and segment, layers that norm after each part, and the mean or the first token's state.</summary>
/// <remarks>Source: Devlin et al., arXiv 1810.04805; names as in Hugging Face's <c>BertModel</c>.</remarks>
internal sealed class BertWeights : EncoderWeights
{
    private readonly EncoderConfig config;
    private readonly EncoderTensors tensors;
    private readonly Tensor words;
    private readonly Tensor places;
    private readonly Tensor segments;
    private readonly LayerNorm embeddingNorm;
    private readonly Layer[] layers;

    /// <exception cref="Engine.Weights.CheckpointException">A tensor is missing or of another shape.</exception>
    public BertWeights(EncoderConfig config, CheckpointReader reader)
        : base(config, reader.Files.Digest().Read())
    {
        // With a head on top, as a masked language model has one, the encoder is a part of the whole.
        this.config = config;
        tensors = new EncoderTensors(reader, reader.Files.Has("bert.embeddings.word_embeddings.weight") ? "bert." : "");
        words = tensors.Take("embeddings.word_embeddings.weight", config.VocabularySize, config.HiddenSize);
        places = tensors.Take("embeddings.position_embeddings.weight", config.MaximumPositions, config.HiddenSize);
        segments = tensors.Take("embeddings.token_type_embeddings.weight", config.SegmentTypes, config.HiddenSize);
        embeddingNorm = tensors.TakeNorm("embeddings.LayerNorm", config.HiddenSize);
        layers = [.. Enumerable.Range(0, config.Layers).Select(TakeLayer)];
    }

    public override long ParameterCount => tensors.Count;

    public override Tensor Encode(Tensor tokens, Tensor positions, IReadOnlyList<int> lengths)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var x = embeddingNorm.Of(words.index_select(0, tokens) + places.index_select(0, positions) + segments[0], config.NormEpsilon);
        foreach (var w in layers)
        {
            var attended = EncoderMath.Attention(w.Query.Of(x), w.Key.Of(x), w.Value.Of(x), config.Heads, lengths);
            x = w.AttentionNorm.Of(x + w.Output.Of(attended), config.NormEpsilon);
            x = w.FeedForwardNorm.Of(x + w.Down.Of(nn.functional.gelu(w.Up.Of(x))), config.NormEpsilon);
        }
        var vectors = config.Pooling == Pooling.Mean ? EncoderMath.Means(x, lengths) : x.masked_select((positions == 0).unsqueeze(1)).view(lengths.Count, config.HiddenSize);
        return vectors.cpu().contiguous().MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing) => tensors.Dispose();

    private Layer TakeLayer(int layer)
    {
        int hidden = config.HiddenSize, intermediate = config.IntermediateSize;
        string prefix = $"encoder.layer.{layer}.", attention = prefix + "attention.";
        return new Layer(
            tensors.TakeAffine(attention + "self.query", hidden, hidden),
            tensors.TakeAffine(attention + "self.key", hidden, hidden),
            tensors.TakeAffine(attention + "self.value", hidden, hidden),
            tensors.TakeAffine(attention + "output.dense", hidden, hidden),
            tensors.TakeNorm(attention + "output.LayerNorm", hidden),
            tensors.TakeAffine(prefix + "intermediate.dense", intermediate, hidden),
            tensors.TakeAffine(prefix + "output.dense", hidden, intermediate),
            tensors.TakeNorm(prefix + "output.LayerNorm", hidden));
    }

    private sealed record Layer(Affine Query, Affine Key, Affine Value, Affine Output, LayerNorm AttentionNorm, Affine Up, Affine Down, LayerNorm FeedForwardNorm);
}
