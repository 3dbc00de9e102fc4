using static TorchSharp.torch;

namespace AiFabric.Engine.Adapters;

/// <summary>
/// Low-rank additions to the linear layers of one model: a layer with weight W answers
/// <c>x·Wᵀ + Scale · (x·Aᵀ)·Bᵀ</c> (Hu et al., arXiv 2106.09685). Owns its tensors.
/// </summary>
public sealed class LoraAdapter : IDisposable
{
    private readonly (Tensor A, Tensor B)?[][] allPairs;

    /// <summary>Takes ownership of the tensors, which leave their dispose scope.</summary>
    /// <param name="name">Name under which requests ask for the adapter.</param>
    /// <param name="rank">Rows of every A and columns of every B.</param>
    /// <param name="scale">alpha / rank, or alpha / √rank for rank-stabilized adapters.</param>
    /// <param name="pairs">By layer, then by <see cref="LoraTarget"/>: A [rank, in] and B [out, rank], or null where the layer stays as it is.</param>
    /// <param name="digest"><c>sha256:…</c> of the adapter's files; empty for one that was never saved.</param>
    /// <exception cref="ArgumentException">A layer does not have seven entries, or a tensor's rank is another.</exception>
    public LoraAdapter(string name, int rank, double scale, (Tensor A, Tensor B)?[][] pairs, string digest = "")
    {
        foreach ((Tensor A, Tensor B)?[] layer in pairs)
        {
            if (layer.Length != LoraTargets.All.Count)
                throw new ArgumentException($"A layer needs {LoraTargets.All.Count} entries, one for each target, but has {layer.Length}.", nameof(pairs));
            foreach ((Tensor A, Tensor B)? pair in layer)
            {
                if (pair is { } p && (p.A.shape[0] != rank || p.B.shape[1] != rank))
                    throw new ArgumentException($"A has {p.A.shape[0]} rows and B {p.B.shape[1]} columns; both must be the rank, {rank}.", nameof(pairs));
            }
        }

        (Name, Rank, Scale, Digest, allPairs) = (name, rank, scale, digest, pairs);
        foreach (Tensor tensor in Tensors)
            tensor.DetachFromDisposeScope();
    }

    public string Name { get; }

    public int Rank { get; }

    /// <summary>Factor on the low-rank product: alpha / rank.</summary>
    public double Scale { get; }

    /// <summary><c>sha256:…</c> of the adapter's files; empty while it is being trained.</summary>
    public string Digest { get; }

    /// <summary>Layers of the model it was made for.</summary>
    public int LayerCount => allPairs.Length;

    /// <summary>The pair of one linear layer, or null where it has none. A [rank, in], B [out, rank].</summary>
    public (Tensor A, Tensor B)? this[int layer, LoraTarget target] => allPairs[layer][(int)target];

    /// <summary>All tensors in a fixed order: by layer, by target, A before B.</summary>
    public IEnumerable<Tensor> Tensors
    {
        get
        {
            foreach ((Tensor A, Tensor B)? pair in allPairs.SelectMany(layer => layer))
            {
                if (pair is { } p)
                {
                    yield return p.A;
                    yield return p.B;
                }
            }
        }
    }

    public void Dispose()
    {
        foreach (Tensor tensor in Tensors)
            tensor.Dispose();
    }
}
