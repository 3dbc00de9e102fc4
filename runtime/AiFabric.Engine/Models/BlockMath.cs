using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>How a decoder block computes what is not a matrix product: here in libtorch's operations, which are differentiable.</summary>
/// <remarks>Results belong to the caller's scope. Arguments that a method says it may change must be nobody else's.</remarks>
internal class BlockMath
{
    /// <summary>For whoever needs gradients, and for every device.</summary>
    public static BlockMath Differentiable { get; } = new();

    /// <summary>See <see cref="DecoderMath.RmsNorm"/>.</summary>
    public virtual Tensor Norm(Tensor x, Tensor weight, double epsilon) => DecoderMath.RmsNorm(x, weight, epsilon);

    /// <summary>x + delta, and its norm.</summary>
    public virtual (Tensor Sum, Tensor Normed) AddAndNorm(Tensor x, Tensor delta, Tensor weight, double epsilon)
    {
        var sum = x + delta;
        return (sum, Norm(sum, weight, epsilon));
    }

    /// <summary>See <see cref="DecoderMath.ApplyRotary"/>; may change x.</summary>
    public virtual Tensor Rotate(Tensor x, (Tensor Cos, Tensor Sin) angles) => DecoderMath.ApplyRotary(x, angles.Cos, angles.Sin);

    /// <summary>See <see cref="DecoderMath.Gated"/>.</summary>
    public virtual Tensor Gated(Activation activation, Tensor gate, Tensor up) => DecoderMath.Gated(activation, gate, up);
}
