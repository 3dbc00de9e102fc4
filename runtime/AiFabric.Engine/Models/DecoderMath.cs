using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>
/// The parts of a Llama block that are not plain matmuls. Differentiable; for Float32, BFloat16 and Float64. Every function returns
/// one tensor owned by the caller's dispose scope and disposes none of its arguments.
/// </summary>
public static class DecoderMath
{
    /// <summary>Root-mean-square norm over the last dimension (Zhang and Sennrich, arXiv 1910.07467).</summary>
    /// <param name="x">[n, hidden]. BFloat16 is squared and averaged in Float32, as Hugging Face does.</param>
    /// <param name="weight">[hidden].</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <returns>[n, hidden].</returns>
    public static Tensor RmsNorm(Tensor x, Tensor weight, double epsilon)
    {
        using var scope = NewDisposeScope();
        bool narrow = x.dtype is ScalarType.BFloat16 or ScalarType.Float16;
        var wide = narrow ? x.to(ScalarType.Float32) : x;
        var normed = wide * (wide.square().mean([-1], keepdim: true) + epsilon).rsqrt();
        return ((narrow ? normed.to(x.dtype) : normed) * weight).MoveToOuterDisposeScope();
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

    /// <summary>SwiGLU's product: silu(gate) · up.</summary>
    public static Tensor GatedSilu(Tensor gate, Tensor up)
    {
        using var scope = NewDisposeScope();
        return (nn.functional.silu(gate) * up).MoveToOuterDisposeScope();
    }

    /// <summary>Additive mask for <see cref="Attention"/>: queries at positions start … start + count − 1 see themselves and what is before.</summary>
    /// <param name="start">Position of the first query.</param>
    /// <param name="count">Queries.</param>
    /// <param name="groups">Query heads per key-value head.</param>
    /// <param name="type">Element type of the queries.</param>
    /// <param name="device">Device of the queries.</param>
    /// <returns>[groups · count, start + count]: 0 where seen, −∞ elsewhere; or null when there is nothing to hide.</returns>
    public static Tensor? CausalMask(int start, int count, int groups, ScalarType type, Device device)
    {
        if (count == 1)
            return null;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var hidden = full([count, start + count], double.NegativeInfinity, dtype: type, device: device).triu(start + 1);
        return hidden.repeat(groups, 1).MoveToOuterDisposeScope();
    }

    /// <summary>Grouped-query attention of one sequence.</summary>
    /// <param name="queries">[n, heads, headDim], rotated.</param>
    /// <param name="keys">[context, kvHeads, headDim], rotated; the last n rows are the queries' own positions.</param>
    /// <param name="values">[context, kvHeads, headDim].</param>
    /// <param name="mask">From <see cref="CausalMask"/>.</param>
    /// <returns>[n, heads · headDim].</returns>
    public static Tensor Attention(Tensor queries, Tensor keys, Tensor values, Tensor? mask)
    {
        using var scope = NewDisposeScope();
        long count = queries.shape[0], heads = queries.shape[1], size = queries.shape[2], keyHeads = keys.shape[1], groups = heads / keyHeads;
        // The heads of a group stand below each other as more queries on the same keys, so that keys are not copied per head.
        var grouped = queries.view(count, keyHeads, groups, size).permute(1, 2, 0, 3).reshape(1, keyHeads, groups * count, size);
        var mixed = nn.functional.scaled_dot_product_attention(
            grouped, keys.transpose(0, 1).unsqueeze(0), values.transpose(0, 1).unsqueeze(0), mask);
        return mixed.view(keyHeads, groups, count, size).permute(2, 0, 1, 3).reshape(count, heads * size).MoveToOuterDisposeScope();
    }
}
