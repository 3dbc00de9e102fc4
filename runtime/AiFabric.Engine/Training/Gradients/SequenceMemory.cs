using AiFabric.Engine.Models;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training.Gradients;

/// <summary>
/// What one running sequence keeps between its windows: layer inputs, keys and values, and the gradients of keys and values.
/// Allocated once for the longest sequence, so that finetuning's memory does not change while it runs.
/// </summary>
internal sealed class SequenceMemory : IDisposable
{
    private readonly Tensor[] inputs;         // per layer and one for the last output: [capacity, hidden]
    private readonly Tensor[] keys;           // per layer: [capacity, kvHeads, headDim]
    private readonly Tensor[] values;
    private readonly Tensor[] keyGradients;   // as the keys, at least Float32: they are sums over windows
    private readonly Tensor[] valueGradients;

    /// <param name="weights">Gives shapes, type and device.</param>
    /// <param name="capacity">Tokens of the longest sequence.</param>
    public SequenceMemory(BaseWeights weights, int capacity)
    {
        var config = weights.Config;
        ScalarType sums = weights.Type == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        long[] keyShape = [capacity, config.KeyValueHeads, config.HeadSize];
        inputs = Make(config.Layers + 1, [capacity, config.HiddenSize], weights.Type);
        keys = Make(config.Layers, keyShape, weights.Type);
        values = Make(config.Layers, keyShape, weights.Type);
        keyGradients = Make(config.Layers, keyShape, sums);
        valueGradients = Make(config.Layers, keyShape, sums);

        Tensor[] Make(int count, long[] shape, ScalarType type)
        {
            var tensors = new Tensor[count];
            for (int i = 0; i < count; i++)
                tensors[i] = zeros(shape, dtype: type, device: weights.Device).DetachFromDisposeScope();
            return tensors;
        }
    }

    /// <summary>Keeps rows of a layer's input; the index after the last layer stands for the last output.</summary>
    public void SaveInput(int layer, int start, Tensor rows) => Write(inputs[layer], start, rows);

    /// <summary>Rows of a layer's input, as a view without graph.</summary>
    public Tensor Input(int layer, int start, int count) => Rows(inputs[layer], start, count);

    /// <summary>Keeps keys and values of a window.</summary>
    public void SaveKeysAndValues(int layer, int start, Tensor k, Tensor v)
    {
        Write(keys[layer], start, k);
        Write(values[layer], start, v);
    }

    /// <summary>The first keys and values, as views without graph.</summary>
    public (Tensor Keys, Tensor Values) KeysAndValues(int layer, int count) => (Rows(keys[layer], 0, count), Rows(values[layer], 0, count));

    /// <summary>Gradients that later windows left for a window's keys and values, as views.</summary>
    public (Tensor Keys, Tensor Values) Gradients(int layer, int start, int count) =>
        (Rows(keyGradients[layer], start, count), Rows(valueGradients[layer], start, count));

    /// <summary>Adds to the gradients of the first keys and values.</summary>
    public void AddGradients(int layer, Tensor k, Tensor v)
    {
        using var scope = NewDisposeScope();
        int count = (int)k.shape[0];
        Rows(keyGradients[layer], 0, count).add_(k);
        Rows(valueGradients[layer], 0, count).add_(v);
    }

    /// <summary>Forgets the gradients of the last sequence.</summary>
    public void ClearGradients()
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope(); // zero_ answers with a new tensor object
        foreach (Tensor tensor in keyGradients)
            tensor.zero_();
        foreach (Tensor tensor in valueGradients)
            tensor.zero_();
    }

    public void Dispose()
    {
        foreach (Tensor tensor in (Tensor[])[.. inputs, .. keys, .. values, .. keyGradients, .. valueGradients])
            tensor.Dispose();
    }

    private static void Write(Tensor place, int start, Tensor rows)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        place.narrow(0, start, rows.shape[0]).copy_(rows);
    }

    private static Tensor Rows(Tensor place, int start, int count) => place.narrow(0, start, count);
}
