using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>
/// The parts of a decoder block that are not plain matmuls. Differentiable; for Float32, BFloat16 and Float64. Every function returns
/// one tensor owned by the caller's dispose scope and disposes none of its arguments.
/// </summary>
public static class DecoderMath
{
    /// <summary>Root-mean-square norm over the last dimension (Zhang and Sennrich, arXiv 1910.07467).</summary>
    /// <param name="x">[n, hidden]. BFloat16 is squared and averaged in Float32, as Hugging Face does.</param>
    /// <param name="weight">[hidden]; may be wider than x, and is then multiplied before the result is made narrow.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <returns>[n, hidden].</returns>
    public static Tensor RmsNorm(Tensor x, Tensor weight, double epsilon)
    {
        using var scope = NewDisposeScope();
        bool narrow = x.dtype is ScalarType.BFloat16 or ScalarType.Float16;
        var wide = narrow ? x.to(ScalarType.Float32) : x;
        var normed = wide * (wide.square().mean([-1], keepdim: true) + epsilon).rsqrt();
        return ((weight.dtype == x.dtype ? normed.to(x.dtype) : normed) * weight).to(x.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Turns the pairs (i, i + headDim / 2) of every head by its position's angles: Hugging Face's half rotation.</summary>
    /// <param name="x">[n, heads, headDim].</param>
    /// <param name="cos">[n, 1, headDim / 2].</param>
    /// <param name="sin">[n, 1, headDim / 2].</param>
    /// <returns>[n, heads, headDim].</returns>
    public static Tensor ApplyRotary(Tensor x, Tensor cos, Tensor sin)
    {
        using var scope = NewDisposeScope();
        long half = x.shape[2] / 2;
        var (first, second) = (x.narrow(2, 0, half), x.narrow(2, half, half));
        return cat([(first * cos) - (second * sin), (second * cos) + (first * sin)], 2).MoveToOuterDisposeScope();
    }

    /// <summary>The MLP's product: activation(gate) · up (Shazeer, arXiv 2002.05202).</summary>
    public static Tensor Gated(Activation activation, Tensor gate, Tensor up)
    {
        using var scope = NewDisposeScope();
        return ((activation == Activation.Silu ? nn.functional.silu(gate) : GeluTanh(gate)) * up).MoveToOuterDisposeScope();
    }

    /// <summary>cap · tanh(x / cap) (arXiv 2408.00118); x where there is no cap.</summary>
    public static Tensor SoftCap(Tensor x, double? cap)
    {
        using var scope = NewDisposeScope();
        return (cap is { } most ? (x / most).tanh() * most : x.alias()).MoveToOuterDisposeScope();
    }

    /// <summary>Additive mask for <see cref="Attention"/>: queries at positions start … start + count − 1 see themselves and what is before.</summary>
    /// <param name="start">Position of the first query.</param>
    /// <param name="count">Queries.</param>
    /// <param name="groups">Query heads per key-value head.</param>
    /// <param name="type">Element type of the queries.</param>
    /// <param name="device">Device of the queries.</param>
    /// <param name="window">Positions that a query sees, its own among them; null for all.</param>
    /// <returns>[groups · count, start + count]: 0 where seen, −∞ elsewhere; or null when there is nothing to hide.</returns>
    public static Tensor? CausalMask(int start, int count, int groups, ScalarType type, Device device, int? window = null)
    {
        bool slides = window < start + count;
        if (count == 1 && !slides)
            return null;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var all = full([count, start + count], double.NegativeInfinity, dtype: type, device: device);
        var hidden = window is { } seen && slides ? all.triu(start + 1) + all.tril(start - seen) : all.triu(start + 1);
        return hidden.repeat(groups, 1).MoveToOuterDisposeScope();
    }

    /// <summary>Grouped-query attention of one sequence.</summary>
    /// <param name="queries">[n, heads, headDim], rotated.</param>
    /// <param name="keys">[context, kvHeads, headDim], rotated; the last n rows are the queries' own positions.</param>
    /// <param name="values">[context, kvHeads, headDim].</param>
    /// <param name="mask">From <see cref="CausalMask"/>.</param>
    /// <param name="config">Gives the scores' scale and cap.</param>
    /// <returns>[n, heads · headDim].</returns>
    public static Tensor Attention(Tensor queries, Tensor keys, Tensor values, Tensor? mask, DecoderConfig config)
    {
        using var scope = NewDisposeScope();
        long count = queries.shape[0], heads = queries.shape[1], size = queries.shape[2], keyHeads = keys.shape[1], groups = heads / keyHeads;
        // The heads of a group stand below each other as more queries on the same keys, so that keys are not copied per head.
        var grouped = queries.view(count, keyHeads, groups, size).permute(1, 2, 0, 3).reshape(1, keyHeads, groups * count, size);
        var mixed = Mix(grouped, keys.transpose(0, 1).unsqueeze(0), values.transpose(0, 1).unsqueeze(0), mask, config);
        return mixed.view(keyHeads, groups, count, size).permute(2, 0, 1, 3).reshape(count, heads * size).MoveToOuterDisposeScope();
    }

    /// <summary>Means of the values, weighted by the softmax of the queries' scores.</summary>
    /// <param name="queries">[b, kvHeads, n, headDim].</param>
    /// <param name="keys">[b, kvHeads, context, headDim].</param>
    /// <param name="values">[b, kvHeads, context, headDim].</param>
    /// <param name="mask">Added to the scores; null for nothing.</param>
    /// <param name="config">Gives the scores' scale and cap.</param>
    /// <returns>[b, kvHeads, n, headDim].</returns>
    public static Tensor Mix(Tensor queries, Tensor keys, Tensor values, Tensor? mask, DecoderConfig config)
    {
        using var scope = NewDisposeScope();
        var scaled = config.QueryFactor == 1 ? queries : queries * config.QueryFactor;
        if (config.AttentionSoftCap is null)
            return nn.functional.scaled_dot_product_attention(scaled, keys, values, mask).MoveToOuterDisposeScope();
        var scores = SoftCap(matmul(scaled, keys.transpose(2, 3)) / Math.Sqrt(config.HeadSize), config.AttentionSoftCap);
        return matmul(nn.functional.softmax(mask is null ? scores : scores + mask, -1), values).MoveToOuterDisposeScope();
    }

    // 0.5 x (1 + tanh u) is x σ(2u).
    private static Tensor GeluTanh(Tensor x) => x * (Math.Sqrt(8 / Math.PI) * (x + (0.044715 * x.pow(3)))).sigmoid();
}
