using AiFabric.Engine.Kernels;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Execution;

/// <summary>The memory of the key-value cache for kernels: [layers, keys and values, blocks, kvHeads, blockSize, headDim] in one format. Owns it.</summary>
/// <remarks>Slots are read only after they were written, so it needs no clearing: memory is taken from the system as the cache fills. In small
/// pages, because large ones would be touched in every layer by the first token.</remarks>
internal sealed unsafe class KvMemory(DecoderConfig config, int blocks, int blockSize, CacheFormat format) : IDisposable
{
    private readonly long layerBytes = (long)blocks * blockSize * config.KeyValueHeads * config.HeadSize * format.Bytes();
    private readonly NativeBuffer memory = new(2L * config.Layers * blocks * blockSize * config.KeyValueHeads * config.HeadSize * format.Bytes(), smallPages: true);

    public int BlockSize => blockSize;

    public CacheFormat Format => format;

    public void* Keys(int layer) => (byte*)memory.Data + (2 * layer * layerBytes);

    public void* Values(int layer) => (byte*)Keys(layer) + layerBytes;

    public void Dispose() => memory.Dispose();
}
