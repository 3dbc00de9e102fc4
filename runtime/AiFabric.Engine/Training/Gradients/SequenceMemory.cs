using AiFabric.Engine.Models;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training.Gradients;

/// <summary>
/// What one running sequence keeps between its windows: layer inputs, keys and values, and the gradients of keys and values. One arena for the
/// activations and one for the sums, allocated once for the longest sequence, so that finetuning's memory does not change while it runs;
/// <see cref="Planning.MemoryPlan.Sequence"/> says how large they are.
/// </summary>
internal sealed class SequenceMemory : IDisposable
{
    private readonly int capacity;
    private readonly int layers;
    private readonly int hidden;
    private readonly long[] keyShape; // of one position: [-1, kvHeads, headDim]
    private readonly long keys;
    private readonly Tensor activations; // [layers + 1, capacity, hidden], then keys and values [2, layers, capacity, kvHeads · headDim]
    private readonly Tensor sums;        // gradients of keys and values, as those, at least Float32: they are sums over windows

    /// <param name="weights">Gives shapes, type and device.</param>
    /// <param name="capacity">Tokens of the longest sequence.</param>
    public SequenceMemory(BaseWeights weights, int capacity)
    {
        var config = weights.Config;
        (this.capacity, layers, hidden) = (capacity, config.Layers, config.HiddenSize);
        keyShape = [-1, config.KeyValueHeads, config.HeadSize];
        keys = (long)config.KeyValueHeads * config.HeadSize;
        ScalarType wide = weights.Type == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        using var scope = NewDisposeScope(); // frees the first where there is no room for the second
        activations = zeros([((layers + 1L) * capacity * hidden) + (2L * layers * capacity * keys)], dtype: weights.Type, device: weights.Device);
        sums = zeros([2L * layers * capacity * keys], dtype: wide, device: weights.Device).DetachFromDisposeScope();
        activations.DetachFromDisposeScope();
    }

    /// <summary>Keeps rows of a layer's input; the index after the last layer stands for the last output.</summary>
    public void SaveInput(int layer, int start, Tensor rows) => Write(Input(layer, start, (int)rows.shape[0]), rows);

    /// <summary>Rows of a layer's input, as a view without graph.</summary>
    public Tensor Input(int layer, int start, int count)
    {
        using var scope = NewDisposeScope();
        return activations.narrow(0, (((long)layer * capacity) + start) * hidden, (long)count * hidden).view(count, hidden).MoveToOuterDisposeScope();
    }

    /// <summary>Keeps keys and values of a window.</summary>
    public void SaveKeysAndValues(int layer, int start, Tensor k, Tensor v)
    {
        Write(Keys(0, layer, start, (int)k.shape[0]), k);
        Write(Keys(1, layer, start, (int)v.shape[0]), v);
    }

    /// <summary>The first keys and values, as views without graph.</summary>
    public (Tensor Keys, Tensor Values) KeysAndValues(int layer, int count) => (Keys(0, layer, 0, count), Keys(1, layer, 0, count));

    /// <summary>Gradients that later windows left for a window's keys and values, as views.</summary>
    public (Tensor Keys, Tensor Values) Gradients(int layer, int start, int count) => (Sums(0, layer, start, count), Sums(1, layer, start, count));

    /// <summary>Adds to the gradients of the first keys and values.</summary>
    public void AddGradients(int layer, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        int count = (int)k.shape[0];
        Sums(0, layer, 0, count).add_(k);
        Sums(1, layer, 0, count).add_(v);
    }

    /// <summary>Forgets the gradients of the last sequence.</summary>
    public void ClearGradients()
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope(); // zero_ answers with a new tensor object
        sums.zero_();
    }

    public void Dispose()
    {
        activations.Dispose();
        sums.Dispose();
    }

    private Tensor Keys(int kind, int layer, int start, int count) => Rows(activations, (layers + 1L) * capacity * hidden, kind, layer, start, count);

    private Tensor Sums(int kind, int layer, int start, int count) => Rows(sums, 0, kind, layer, start, count);

    private Tensor Rows(Tensor arena, long first, int kind, int layer, int start, int count)
    {
        using var scope = NewDisposeScope();
        long row = ((((long)kind * layers) + layer) * capacity) + start;
        return arena.narrow(0, first + (row * keys), count * keys).view(keyShape).MoveToOuterDisposeScope();
    }

    private static void Write(Tensor place, Tensor rows)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        place.copy_(rows);
        place.Dispose();
    }
}
