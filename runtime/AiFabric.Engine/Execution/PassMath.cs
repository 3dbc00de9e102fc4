using AiFabric.Engine.Models;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>How a pass computes beside its matrix products, in libtorch's operations: norms and the like, and what touches the key-value cache.</summary>
/// <param name="config">The model's shape.</param>
/// <param name="cache">Memory of the key-value cache.</param>
internal class PassMath(DecoderConfig config, KvTensors cache) : BlockMath
{
    /// <summary>Whether decode rows need their masks, and prompts from their beginning theirs.</summary>
    public virtual bool NeedsMasks => true;

    /// <summary>Stores new keys and values.</summary>
    /// <param name="layer">Their layer.</param>
    /// <param name="slots">[n] Int64, distinct.</param>
    /// <param name="keys">[n, kvHeads, headDim], rotated.</param>
    /// <param name="values">[n, kvHeads, headDim].</param>
    public virtual void Store(int layer, Tensor slots, Tensor keys, Tensor values) => cache.Write(layer, slots, keys, values);

    /// <summary>Attention of the decode rows.</summary>
    /// <param name="layer">Their layer.</param>
    /// <param name="queries">[n, heads, headDim], rotated.</param>
    /// <param name="rows">Where their keys are.</param>
    /// <returns>[n, heads · headDim].</returns>
    public virtual Tensor AttendDecode(int layer, Tensor queries, DecodeRows rows)
    {
        // Every row is a batch entry with one query per head of its key-value head's group.
        using var scope = NewDisposeScope();
        long[] shape = [rows.Count, rows.Context, config.KeyValueHeads, config.HeadSize];
        var (keys, values) = cache.Gather(layer, rows.Blocks);
        var grouped = queries.view(rows.Count, config.KeyValueHeads, config.Heads / config.KeyValueHeads, config.HeadSize);
        return DecoderMath.Mix(grouped, keys.view(shape).transpose(1, 2), values.view(shape).transpose(1, 2), rows.Masks?[layer], config)
            .reshape(rows.Count, config.Heads * config.HeadSize).MoveToOuterDisposeScope();
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
}
