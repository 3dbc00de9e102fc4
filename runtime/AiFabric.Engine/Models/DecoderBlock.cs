using AiFabric.Engine.Adapters;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>x·Wᵀ of one of a block's matrices, with its bias and with what adapters add.</summary>
internal delegate Tensor BlockLinear(LoraTarget target, Tensor x);

/// <summary>A decoder block in tensors, without its attention: who attends to what is the callers' business. Differentiable where its mathematics is.</summary>
/// <param name="config">What the model's family does.</param>
/// <param name="weights">The block's weights.</param>
/// <param name="linear">Its linear layers.</param>
/// <param name="math">What else it computes; without gradients where that has none.</param>
internal readonly struct DecoderBlock(DecoderConfig config, DecoderLayer weights, BlockLinear linear, BlockMath math)
{
    /// <summary>Queries, keys and values.</summary>
    /// <param name="x">[n, hidden]: the block's input.</param>
    /// <param name="angles">Of the rows' positions, each [n, 1, headDim / 2].</param>
    /// <returns>[n, heads, headDim], [n, kvHeads, headDim] and the same, the first two rotated; owned by the caller's scope.</returns>
    public (Tensor Queries, Tensor Keys, Tensor Values) Project(Tensor x, (Tensor Cos, Tensor Sin) angles)
    {
        using var scope = NewDisposeScope();
        var h = Norm(x, LayerVector.AttentionNorm);
        var queries = linear(LoraTarget.Query, h).view(-1, config.Heads, config.HeadSize);
        var keys = linear(LoraTarget.Key, h).view(-1, config.KeyValueHeads, config.HeadSize);
        var values = linear(LoraTarget.Value, h).view(-1, config.KeyValueHeads, config.HeadSize);
        queries = math.Rotate(Norm(queries, LayerVector.QueryNorm), angles);
        keys = math.Rotate(Norm(keys, LayerVector.KeyNorm), angles);
        return (queries.MoveToOuterDisposeScope(), keys.MoveToOuterDisposeScope(), values.MoveToOuterDisposeScope());
    }

    /// <summary>The rest of the block behind attention.</summary>
    /// <param name="x">[n, hidden]: the block's input.</param>
    /// <param name="mixed">[n, heads · headDim]: what attention gave.</param>
    /// <returns>[n, hidden], owned by the caller's scope.</returns>
    public Tensor Finish(Tensor x, Tensor mixed)
    {
        using var scope = NewDisposeScope();
        var (middle, normed) = Middle(x, mixed);
        return Mlp(middle, normed).MoveToOuterDisposeScope();
    }

    /// <summary>What attention adds up to: the first half of <see cref="Finish"/>.</summary>
    /// <returns>[n, hidden], and its norm, which the MLP reads; owned by the caller's scope.</returns>
    public (Tensor Middle, Tensor Normed) Middle(Tensor x, Tensor mixed)
    {
        using var scope = NewDisposeScope();
        // Every family norms what goes into the MLP.
        var (middle, normed) = math.AddAndNorm(x, Norm(linear(LoraTarget.Output, mixed), LayerVector.AttentionOutputNorm), weights[LayerVector.MlpNorm]!, config.NormEpsilon);
        return (middle.MoveToOuterDisposeScope(), normed.MoveToOuterDisposeScope());
    }

    /// <summary>What the MLP adds to that: the second half of <see cref="Finish"/>.</summary>
    /// <returns>[n, hidden], owned by the caller's scope.</returns>
    public Tensor Mlp(Tensor middle, Tensor normed)
    {
        using var scope = NewDisposeScope();
        var gated = math.Gated(config.Activation, linear(LoraTarget.Gate, normed), linear(LoraTarget.Up, normed));
        return (middle + Norm(linear(LoraTarget.Down, gated), LayerVector.MlpOutputNorm)).MoveToOuterDisposeScope();
    }

    // Unchanged where the model has no such norm.
    private Tensor Norm(Tensor x, LayerVector vector) => weights[vector] is { } weight ? math.Norm(x, weight, config.NormEpsilon) : x;
}
