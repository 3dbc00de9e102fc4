using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training.Gradients;

/// <summary>What a layer computes over a window.</summary>
/// <param name="Output">[n, hidden].</param>
/// <param name="Middle">[n, hidden]: what the MLP reads and adds to.</param>
/// <param name="Keys">[n, kvHeads, headDim].</param>
/// <param name="Values">As the keys.</param>
/// <param name="Gate">[n, intermediate]: the MLP's gate, before its activation.</param>
/// <param name="Up">[n, intermediate]: what the gate lets through.</param>
internal readonly record struct AdaptedLayerValues(Tensor Output, Tensor Middle, Tensor Keys, Tensor Values, Tensor Gate, Tensor Up);

/// <summary>One decoder block with an adapter over one window of one sequence, as autograd sees it.</summary>
/// <param name="config">The model's shape.</param>
/// <param name="weights">Frozen weights.</param>
/// <param name="patches">By <see cref="LoraTarget"/>, or null.</param>
/// <param name="mask">What of a linear layer's input the adapter drops; null for nothing.</param>
/// <param name="between">Called before each of the linear layers.</param>
internal readonly struct AdaptedLayer(DecoderConfig config, DecoderLayer weights, LinearPatch?[] patches, Func<LoraTarget, Tensor?> mask, Action? between = null)
{
    /// <summary>Forward, for backward: the engine's own forward of the window gave the same values.</summary>
    /// <param name="x">[n, hidden]: the layer's input.</param>
    /// <param name="keysBefore">[start, kvHeads, headDim] of the earlier windows; null when there is none.</param>
    /// <param name="valuesBefore">As the keys.</param>
    /// <param name="angles">Of the window's positions, each [n, 1, headDim / 2].</param>
    /// <param name="mask">From <see cref="DecoderMath.CausalMask"/>.</param>
    /// <returns>All that backward begins with, in the caller's scope.</returns>
    public AdaptedLayerValues Forward(
        Tensor x, Tensor? keysBefore, Tensor? valuesBefore, (Tensor Cos, Tensor Sin) angles, Tensor? mask)
    {
        using var scope = NewDisposeScope();
        (Tensor? gate, Tensor? up) = (null, null);
        var layer = this;
        var block = new DecoderBlock(config, weights, Product, BlockMath.Differentiable);
        (Tensor queries, Tensor keys, Tensor values) = block.Project(x, angles);
        Tensor allKeys = keysBefore is null ? keys : cat([keysBefore, keys], 0);
        Tensor allValues = valuesBefore is null ? values : cat([valuesBefore, values], 0);
        (Tensor middle, Tensor normed) = block.Middle(x, DecoderMath.Attention(queries, allKeys, allValues, mask, config));
        Tensor output = block.Mlp(middle, normed);
        return new AdaptedLayerValues(
            output.MoveToOuterDisposeScope(), middle.MoveToOuterDisposeScope(), keys.MoveToOuterDisposeScope(), values.MoveToOuterDisposeScope(),
            gate!.MoveToOuterDisposeScope(), up!.MoveToOuterDisposeScope());

        // Of the MLP's products the block gets another view: it disposes what it is given.
        Tensor Product(LoraTarget target, Tensor x)
        {
            Tensor product = layer.Linear(target, x);
            if (target is not (LoraTarget.Gate or LoraTarget.Up))
                return product;
            if (target == LoraTarget.Gate)
                gate = product.MoveToOtherDisposeScope(scope);
            else
                up = product.MoveToOtherDisposeScope(scope);
            return product.alias();
        }
    }

    private Tensor Linear(LoraTarget target, Tensor x)
    {
        between?.Invoke();
        return patches[(int)target] is { } patch
            ? patch.Apply(x, weights[target], weights[target.Bias()], mask(target))
            : nn.functional.linear(x, weights[target], weights[target.Bias()]);
    }
}
