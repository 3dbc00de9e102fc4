using AiFabric.Engine.Execution;
using AiFabric.Engine.Models;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Cuda;

/// <summary>A pass's mathematics in kernels of our own, and in libtorch's flash attention where it takes the shapes.</summary>
/// <param name="config">The model's shape.</param>
/// <param name="cache">Memory of the key-value cache.</param>
/// <param name="kernels">Compiled for the model.</param>
internal sealed class CudaMath(DecoderConfig config, KvTensors cache, CudaKernels kernels) : PassMath(config, cache)
{
    private readonly DecoderConfig shape = config;
    private readonly KvTensors memory = cache;

    public override bool AttendsByRow => true;

    // Flash attention takes no mask but the causal one, no cap, and no window.
    public override bool NeedsMasks { get; } = config.AttentionSoftCap is not null || config.AttentionByLayer.Any(layer => layer.Window is not null);

    public override Tensor Norm(Tensor x, Tensor weight, double epsilon)
    {
        if (weight.dtype != x.dtype)
            return base.Norm(x, weight, epsilon);
        var result = empty_like(x);
        kernels.RmsNorm(x, weight, result);
        return result;
    }

    public override (Tensor Sum, Tensor Normed) AddAndNorm(Tensor x, Tensor delta, Tensor weight, double epsilon)
    {
        if (weight.dtype != x.dtype)
            return base.AddAndNorm(x, delta, weight, epsilon);
        var (sum, normed) = (empty_like(x), empty_like(x));
        kernels.AddAndNorm(x, delta, weight, sum, normed);
        return (sum, normed);
    }

    public override Tensor Rotate(Tensor x, (Tensor Cos, Tensor Sin) angles)
    {
        kernels.Rotate(x, angles);
        return x.alias();
    }

    public override Tensor Gated(Activation activation, Tensor gate, Tensor up)
    {
        var result = empty_like(gate);
        kernels.Gated(activation, gate, up, result);
        return result;
    }

    public override void Store(int layer, Tensor slots, Tensor keys, Tensor values) => kernels.Store(keys, values, slots, memory[layer]);

    public override void AttendRows(int layer, Tensor queries, CachedRows rows, Tensor into)
    {
        int splits = kernels.Splits(rows.Count, rows.Context);
        using var parts = kernels.Parts(rows.Count, splits, into.device);
        kernels.Attend(queries, memory[layer], rows.Blocks, rows.Lengths, shape.AttentionOf(layer).Window, splits, parts, into);
    }

    public override Tensor AttendSegment(Tensor queries, Tensor keys, Tensor values, LayerMasks? masks, int layer)
    {
        if (masks is not null)
            return base.AttendSegment(queries, keys, values, masks, layer);
        using var scope = NewDisposeScope();
        // libtorch's flash kernel wants as many key heads as query heads.
        int groups = shape.Heads / shape.KeyValueHeads;
        var scaled = shape.QueryFactor == 1 ? queries : queries * shape.QueryFactor;
        return nn.functional.scaled_dot_product_attention(Heads(scaled), Heads(keys.repeat_interleave(groups, 1)), Heads(values.repeat_interleave(groups, 1)), is_casual: true)
            .squeeze(0).transpose(0, 1).reshape(queries.shape[0], -1).MoveToOuterDisposeScope();
    }

    // [n, heads, headDim] as [1, heads, n, headDim]
    private static Tensor Heads(Tensor x) => x.transpose(0, 1).unsqueeze(0);
}
