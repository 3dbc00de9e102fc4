using AiFabric.Engine.Adapters;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>A model as kernels read it: pointers into memory that it owns or that belongs to the tensors it was made from.</summary>
internal sealed unsafe class KernelWeights : IDisposable
{
    private readonly List<IDisposable> owned;
    private readonly KernelMatrix[][] matrices;
    private readonly nint[][] vectors;

    /// <param name="config">The model's shape.</param>
    /// <param name="embedding">[vocab, hidden].</param>
    /// <param name="head">[vocab, hidden]; the embedding's where the model ties them.</param>
    /// <param name="finalNorm">Float32 [hidden] on the CPU.</param>
    /// <param name="matrices">By layer, then by <see cref="LoraTarget"/>.</param>
    /// <param name="vectors">By layer, then by <see cref="LayerVector"/>: Float32 on the CPU, or null.</param>
    /// <param name="owned">What to free at the end.</param>
    public KernelWeights(
        DecoderConfig config, KernelMatrix embedding, KernelMatrix head, Tensor finalNorm, KernelMatrix[][] matrices, Tensor?[][] vectors,
        List<IDisposable> owned)
    {
        (Config, Embedding, Head, this.matrices, this.owned) = (config, embedding, head, matrices, owned);
        this.vectors = [.. vectors.Select(layer => layer.Select(vector => vector is null ? 0 : (nint)TensorMemory.Floats(vector)).ToArray())];
        FinalNorm = TensorMemory.Floats(finalNorm);
    }

    public DecoderConfig Config { get; }

    /// <summary>[vocab, hidden].</summary>
    public KernelMatrix Embedding { get; }

    /// <summary>[vocab, hidden].</summary>
    public KernelMatrix Head { get; }

    /// <summary>[hidden].</summary>
    public float* FinalNorm { get; }

    /// <summary>A layer's matrix.</summary>
    public KernelMatrix this[int layer, LoraTarget target] => matrices[layer][(int)target];

    /// <summary>A layer's vector; null where the model does not have it.</summary>
    public float* this[int layer, LayerVector vector] => (float*)vectors[layer][(int)vector];

    /// <summary>The tensors' own memory; vectors that are not Float32 are copied. They must be on the CPU, in Float32 or BFloat16, and outlive the answer.</summary>
    public static KernelWeights Of(DecoderWeights weights)
    {
        var owned = new List<IDisposable>();
        KernelMatrix[][] matrices = [.. weights.Layers.Select(layer => LoraTargets.All.Select(target => TensorMemory.Matrix(layer[target])).ToArray())];
        Tensor?[][] vectors = [.. weights.Layers.Select(layer => LayerVectors.All.Select(vector => layer[vector] is { } tensor ? Wide(tensor) : null).ToArray())];
        return new KernelWeights(
            weights.Config, TensorMemory.Matrix(weights.Embedding), TensorMemory.Matrix(weights.Head), Wide(weights.FinalNorm), matrices, vectors, owned);

        Tensor Wide(Tensor vector)
        {
            var wide = (vector.dtype == ScalarType.Float32 ? vector.alias() : vector.to(ScalarType.Float32)).DetachFromDisposeScope();
            owned.Add(wide);
            return wide;
        }
    }

    public void Dispose()
    {
        foreach (var item in owned)
            item.Dispose();
    }
}
