using AiFabric.Engine.Kernels;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Execution;

/// <summary>The memory of the key-value cache for kernels: [layers, keys and values, blocks, kvHeads, blockSize, headDim] Float32. Owns it.</summary>
/// <remarks>Slots are read only after they were written, so it needs no clearing: memory is taken from the system as the cache fills. In small
/// pages, because large ones would be touched in every layer by the first token.</remarks>
internal sealed unsafe class KvMemory(DecoderConfig config, int blocks, int blockSize) : IDisposable
{
    private readonly long layerFloats = (long)blocks * blockSize * config.KeyValueHeads * config.HeadSize;
    private readonly NativeBuffer memory = new(2L * config.Layers * blocks * blockSize * config.KeyValueHeads * config.HeadSize * sizeof(float), smallPages: true);

    public int BlockSize => blockSize;

    public float* Keys(int layer) => (float*)memory.Data + (2 * layer * layerFloats);

    public float* Values(int layer) => Keys(layer) + layerFloats;

    public void Dispose() => memory.Dispose();
}
