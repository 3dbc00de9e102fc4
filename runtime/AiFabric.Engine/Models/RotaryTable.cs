using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>Cosines and sines of rotary embeddings for every position of a model (Su et al., arXiv 2104.09864). Owns its tensors.</summary>
public sealed class RotaryTable : IDisposable
{
    /// <param name="config">Gives head size, theta and the number of positions.</param>
    /// <param name="type">Element type of the table; the angles are computed in Float64.</param>
    /// <param name="device">Where the table lives.</param>
    public RotaryTable(DecoderConfig config, ScalarType type, Device device)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var exponents = arange(0, config.HeadSize, 2, ScalarType.Float64) / -(double)config.HeadSize;
        var frequencies = (exponents * Math.Log(config.RopeTheta)).exp();
        var angles = outer(arange(config.MaximumPositions, ScalarType.Float64), frequencies);
        Cos = angles.cos().to(type).to(device).DetachFromDisposeScope();
        Sin = angles.sin().to(type).to(device).DetachFromDisposeScope();
    }

    /// <summary>[maximumPositions, headDim / 2].</summary>
    public Tensor Cos { get; }

    /// <summary>[maximumPositions, headDim / 2].</summary>
    public Tensor Sin { get; }

    /// <summary>The rows of some positions, shaped for <see cref="DecoderMath.ApplyRotary"/>.</summary>
    /// <param name="positions">[n] Int64.</param>
    /// <returns>Two tensors [n, 1, headDim / 2], owned by the caller's scope.</returns>
    public (Tensor Cos, Tensor Sin) At(Tensor positions)
    {
        using var scope = NewDisposeScope();
        return (Cos.index_select(0, positions).unsqueeze(1).MoveToOuterDisposeScope(), Sin.index_select(0, positions).unsqueeze(1).MoveToOuterDisposeScope());
    }

    /// <summary>The rows of consecutive positions, as views.</summary>
    /// <returns>Two tensors [count, 1, headDim / 2], owned by the caller's scope.</returns>
    public (Tensor Cos, Tensor Sin) Range(int start, int count)
    {
        using var scope = NewDisposeScope();
        return (Cos.narrow(0, start, count).unsqueeze(1).MoveToOuterDisposeScope(), Sin.narrow(0, start, count).unsqueeze(1).MoveToOuterDisposeScope());
    }

    public void Dispose()
    {
        Cos.Dispose();
        Sin.Dispose();
    }
}
