using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>The memory of the key-value cache: for each layer, keys and values of every block. Owns its tensors.</summary>
internal sealed class KvTensors : IDisposable
{
    private readonly Tensor[] keys;
    private readonly Tensor[] values;
    private readonly long[] slotShape;

    public KvTensors(DecoderConfig config, int blocks, int blockSize, ScalarType type, Device device)
    {
        slotShape = [(long)blocks * blockSize, config.KeyValueHeads, config.HeadSize];
        keys = new Tensor[config.Layers];
        values = new Tensor[config.Layers];
        for (int layer = 0; layer < config.Layers; layer++)
        {
            // Zeros, so that nobody ever meets uninitialized numbers.
            keys[layer] = zeros([blocks, blockSize, config.KeyValueHeads, config.HeadSize], dtype: type, device: device).DetachFromDisposeScope();
            values[layer] = zeros([blocks, blockSize, config.KeyValueHeads, config.HeadSize], dtype: type, device: device).DetachFromDisposeScope();
        }
    }

    /// <summary>A layer's keys and values, [blocks, blockSize, kvHeads, headDim]; not to be disposed.</summary>
    public (Tensor Keys, Tensor Values) this[int layer] => (keys[layer], values[layer]);

    /// <summary>Stores new keys and values.</summary>
    /// <param name="layer">Their layer.</param>
    /// <param name="slots">[n] Int64, distinct.</param>
    /// <param name="newKeys">[n, kvHeads, headDim], rotated.</param>
    /// <param name="newValues">[n, kvHeads, headDim].</param>
    public void Write(int layer, Tensor slots, Tensor newKeys, Tensor newValues)
    {
        using var scope = NewDisposeScope();
        keys[layer].view(slotShape).index_copy_(0, slots, newKeys);
        values[layer].view(slotShape).index_copy_(0, slots, newValues);
    }

    /// <summary>Copies blocks together.</summary>
    /// <param name="layer">Their layer.</param>
    /// <param name="blocks">[b] Int64.</param>
    /// <returns>Two tensors [b, blockSize, kvHeads, headDim], owned by the caller's scope.</returns>
    public (Tensor Keys, Tensor Values) Gather(int layer, Tensor blocks) =>
        (keys[layer].index_select(0, blocks), values[layer].index_select(0, blocks));

    public void Dispose()
    {
        foreach (var tensor in keys)
            tensor.Dispose();
        foreach (var tensor in values)
            tensor.Dispose();
    }
}
