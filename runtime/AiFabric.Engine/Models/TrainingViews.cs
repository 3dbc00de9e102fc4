using AiFabric.Engine.Adapters;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Kernels;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>Kernels' weights as tensors. Matrices share their memory, which must live longer; those of 8 bits are restored into memory of one layer.</summary>
internal sealed unsafe class TrainingViews : IDisposable
{
    private readonly KernelWeights kernels;
    private readonly ScalarType type;
    private readonly DecoderLayer[] layers;
    private int restored; // whose matrices the memory of one layer holds: the first's, at first

    /// <param name="kernels">The weights; not owned.</param>
    /// <param name="type">Element type in which training computes.</param>
    public TrainingViews(KernelWeights kernels, ScalarType type)
    {
        (this.kernels, this.type) = (kernels, type);
        using var _ = no_grad();
        var config = kernels.Config;
        FinalNorm = Vector(kernels.FinalNorm, config.HiddenSize, config.NormOffset != 0);
        Tensor[]? shared = IsRestored ? [.. LoraTargets.All.Select(target => Restored(kernels[0, target]).DetachFromDisposeScope())] : null;
        layers = [.. Enumerable.Range(0, config.Layers).Select(layer => new DecoderLayer(
            shared ?? [.. LoraTargets.All.Select(target => Matrix(kernels[layer, target]).DetachFromDisposeScope())],
            [.. LayerVectors.All.Select(vector => LayerVectors.Stored(config, layer, vector) is { } stored ? Vector(kernels[layer, vector], stored.Size, stored.Offset != 0) : null)]))];
    }

    /// <summary>[hidden].</summary>
    public Tensor FinalNorm { get; }

    /// <summary>A layer: not to be disposed, and valid until another one is asked for.</summary>
    public DecoderLayer Layer(int layer)
    {
        if (IsRestored && layer != restored)
        {
            foreach (LoraTarget target in LoraTargets.All)
                Restore(kernels[layer, target], layers[layer][target]);
            restored = layer;
        }
        return layers[layer];
    }

    /// <summary>A layer's matrix [out, in], owned by the caller's scope. Any thread.</summary>
    public Tensor Matrix(int layer, LoraTarget target) => Whole(kernels[layer, target]);

    /// <summary>A layer's vector, not to be disposed; null where the model does not have it.</summary>
    public Tensor? Vector(int layer, LayerVector vector) => layers[layer][vector];

    /// <summary>[vocab, hidden], owned by the caller's scope.</summary>
    public Tensor Head() => Whole(kernels.Head);

    public void Dispose()
    {
        foreach (var tensor in layers.SelectMany(layer => layer.All).Append(FinalNorm))
            tensor.Dispose();
    }

    private bool IsRestored => kernels.Format == WeightFormat.Q8;

    private Tensor Whole(in KernelMatrix matrix) => IsRestored ? Restored(matrix) : Matrix(matrix);

    private Tensor Matrix(in KernelMatrix matrix) => TensorMemory.View(matrix.Data, type, [matrix.Rows, matrix.Columns]);

    // As it is in the files, so that tensors keep their type; wide where something was added that BFloat16 would lose.
    private Tensor Vector(float* data, int size, bool stays)
    {
        using var view = TensorMemory.View(data, ScalarType.Float32, [size]);
        return (stays ? view.alias() : view.to(type)).DetachFromDisposeScope();
    }

    private static Tensor Restored(in KernelMatrix matrix)
    {
        var tensor = empty(matrix.Rows, matrix.Columns, ScalarType.Float32);
        Restore(matrix, tensor);
        return tensor;
    }

    private static void Restore(in KernelMatrix matrix, Tensor to)
    {
        float* numbers = TensorMemory.Floats(to);
        for (int row = 0; row < matrix.Rows; row++)
            KernelSet.Best.Restore(matrix, row, numbers + ((long)row * matrix.Columns));
    }
}
