using AiFabric.Engine.Adapters;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>One decoder block's weights, in Hugging Face's layout: matrices are [out, in].</summary>
public sealed class DecoderLayer
{
    private readonly Tensor[] matrices;
    private readonly Tensor?[] vectors;

    /// <param name="matrices">By <see cref="LoraTarget"/>.</param>
    /// <param name="vectors">By <see cref="LayerVector"/>; null for those that the model does not have.</param>
    internal DecoderLayer(Tensor[] matrices, Tensor?[] vectors) => (this.matrices, this.vectors) = (matrices, vectors);

    /// <summary>A matrix, to which an adapter's pair may be added.</summary>
    public Tensor this[LoraTarget target] => matrices[(int)target];

    /// <summary>Null where the model does not have it.</summary>
    public Tensor? this[LayerVector vector] => vectors[(int)vector];

    internal IEnumerable<Tensor> All => matrices.Concat(vectors.OfType<Tensor>());
}
