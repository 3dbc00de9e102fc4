using AiFabric.Engine.Models;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>How a pass computes beside its matrix products, in libtorch's operations: norms and the like, and what touches the key-value cache.</summary>
/// <param name="config">The model's shape.</param>
/// <param name="cache">Memory of the key-value cache.</param>
internal class PassMath(DecoderConfig config, KvTensors cache) : BlockMath
{
    /// <summary>Whether rows may attend one by one, each with its own length and without a mask: decode rows, and those of short prompts.</summary>
    public virtual bool AttendsByRow => false;

    /// <summary>Whether rows that are a whole context, and see what is before them, need a mask for that.</summary>
    public virtual bool NeedsMasks => true;

    /// <summary>Stores new keys and values.</summary>
    /// <param name="layer">Their layer.</param>
    /// <param name="slots">[n] Int64, distinct.</param>
    /// <param name="keys">[n, kvHeads, headDim], rotated.</param>
    /// <param name="values">[n, kvHeads, headDim].</param>
    public virtual void Store(int layer, Tensor slots, Tensor keys, Tensor values) => cache.Write(layer, slots, keys, values);

    /// <summary>Attention of rows whose keys are all in the cache.</summary>
    /// <param name="layer">Their layer.</param>
    /// <param name="queries">[n, heads, headDim], rotated.</param>
    /// <param name="rows">Where their keys are.</param>
    /// <param name="into">[n, heads · headDim].</param>
    public virtual void AttendRows(int layer, Tensor queries, CachedRows rows, Tensor into)
    {
        // Every row is a batch entry with one query per head of its key-value head's group.
        using var scope = NewDisposeScope();
        long[] shape = [rows.Count, rows.Context, config.KeyValueHeads, config.HeadSize];
        var (keys, values) = cache.Gather(layer, rows.Blocks);
        (keys, values) = (Own(keys.view(shape), rows), Own(values.view(shape), rows));
        var grouped = queries.view(rows.Count, config.KeyValueHeads, config.Heads / config.KeyValueHeads, config.HeadSize);
        var mixed = DecoderMath.Mix(grouped, keys.transpose(1, 2), values.transpose(1, 2), rows.Masks?[layer], config);
        into.copy_(mixed.reshape(rows.Count, config.Heads * config.HeadSize));
    }

    /// <summary>Attention of a sequence's rows.</summary>
    /// <param name="queries">[n, heads, headDim], rotated.</param>
    /// <param name="keys">[context, kvHeads, headDim], rotated; the last n are the rows' own.</param>
    /// <param name="values">[context, kvHeads, headDim].</param>
    /// <param name="masks">What they do not see; null for rows that are the whole context and see what is before them.</param>
    /// <param name="layer">Their layer.</param>
    /// <returns>[n, heads · headDim].</returns>
    public virtual Tensor AttendSegment(Tensor queries, Tensor keys, Tensor values, LayerMasks? masks, int layer) =>
        DecoderMath.Attention(queries, keys, values, masks?[layer], config);

    // What is masked still takes part in sums, times zero; what a request with a broken adapter left behind is no numbers, and stays that times zero.
    private static Tensor Own(Tensor gathered, CachedRows rows) => rows.Stale is { } stale ? gathered.masked_fill_(stale, 0) : gathered;
}
