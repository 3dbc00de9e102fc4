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
    private readonly nint[] attentionNorms;
    private readonly nint[] mlpNorms;

    /// <param name="config">The model's shape.</param>
    /// <param name="embedding">[vocab, hidden].</param>
    /// <param name="head">[vocab, hidden]; the embedding's where the model ties them.</param>
    /// <param name="layers">By layer, then by <see cref="LoraTarget"/>.</param>
    /// <param name="norms">Float32 [hidden] on the CPU, for each layer before attention and before the MLP; then the final one.</param>
    /// <param name="owned">What to free at the end.</param>
    public KernelWeights(
        DecoderConfig config, KernelMatrix embedding, KernelMatrix head, KernelMatrix[][] layers, IReadOnlyList<Tensor> norms, List<IDisposable> owned)
    {
        (Config, Embedding, Head, matrices, this.owned) = (config, embedding, head, layers, owned);
        attentionNorms = [.. Enumerable.Range(0, config.Layers).Select(layer => (nint)TensorMemory.Floats(norms[2 * layer]))];
        mlpNorms = [.. Enumerable.Range(0, config.Layers).Select(layer => (nint)TensorMemory.Floats(norms[(2 * layer) + 1]))];
        FinalNorm = TensorMemory.Floats(norms[^1]);
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

    /// <summary>The tensors' own memory, without a copy. They must be on the CPU, in Float32 or BFloat16, and outlive the answer.</summary>
    public static KernelWeights Of(DecoderWeights weights)
    {
        var owned = new List<IDisposable>();
        var norms = new List<Tensor>();
        foreach (var layer in weights.Layers)
            norms.AddRange([Norm(layer.AttentionNorm), Norm(layer.MlpNorm)]);
        norms.Add(Norm(weights.FinalNorm));
        KernelMatrix[][] layers = [.. weights.Layers.Select(layer => LoraTargets.All.Select(target => TensorMemory.Matrix(layer[target])).ToArray())];
        return new KernelWeights(weights.Config, TensorMemory.Matrix(weights.Embedding), TensorMemory.Matrix(weights.Head), layers, norms, owned);

        Tensor Norm(Tensor norm)
        {
            var wide = (norm.dtype == ScalarType.Float32 ? norm.alias() : norm.to(ScalarType.Float32)).DetachFromDisposeScope();
            owned.Add(wide);
            return wide;
        }
    }

    public float* AttentionNorm(int layer) => (float*)attentionNorms[layer];

    public float* MlpNorm(int layer) => (float*)mlpNorms[layer];

    public void Dispose()
    {
        foreach (var item in owned)
            item.Dispose();
    }
}
