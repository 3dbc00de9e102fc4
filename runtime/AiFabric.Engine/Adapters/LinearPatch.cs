using static TorchSharp.torch;

namespace AiFabric.Engine.Adapters;

/// <summary>
/// What an adapter makes of one linear layer, whatever its method: <c>y = OutputScale ⊙ (W·(InputScale ⊙ x) + b + Scale · B·(A·x)) + Shift</c>,
/// where what is null has no part. The passes know this form alone. Owns its tensors.
/// </summary>
public sealed class LinearPatch : IDisposable
{
    /// <summary>[rank, in], in the model's type; null without a low-rank product.</summary>
    public Tensor? A { get; init; }

    /// <summary>[out, rank], in the model's type; null without a low-rank product.</summary>
    public Tensor? B { get; init; }

    /// <summary>Factor on the low-rank product.</summary>
    public double Scale { get; init; } = 1;

    /// <summary>[in], at least Float32. Not beside a low-rank product: that one reads x itself.</summary>
    public Tensor? InputScale { get; init; }

    /// <summary>[out], at least Float32.</summary>
    public Tensor? OutputScale { get; init; }

    /// <summary>[out], at least Float32.</summary>
    public Tensor? Shift { get; init; }

    /// <summary>Whether the layer's product itself changes, beyond an addition to it.</summary>
    public bool ChangesOutput => OutputScale is not null || Shift is not null;

    /// <summary>Those it has, in a fixed order.</summary>
    public IEnumerable<Tensor> Tensors => ((Tensor?[])[A, B, InputScale, OutputScale, Shift]).OfType<Tensor>();

    /// <summary>The layer's answer, differentiable by the patch's tensors and by x.</summary>
    /// <param name="x">[n, in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out], or null.</param>
    /// <param name="mask">[n, in], factors on what the low-rank product reads; null for none.</param>
    /// <returns>[n, out] in x's type, owned by the caller's scope.</returns>
    internal Tensor Apply(Tensor x, Tensor weight, Tensor? bias, Tensor? mask = null)
    {
        using var scope = NewDisposeScope();
        var y = nn.functional.linear(Scaled(x), weight, bias);
        if (LowRank(x, mask) is { } addition)
            y = y + addition.to(y.dtype);
        if (OutputScale is not null)
            y = y * OutputScale;
        if (Shift is not null)
            y = y + Shift;
        return y.to(x.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>[n, out], Scale · B·(A·(mask ⊙ x)), owned by the caller's scope; null without a low-rank product.</summary>
    internal Tensor? LowRank(Tensor x, Tensor? mask)
    {
        if (A is null || B is null)
            return null;
        using var scope = NewDisposeScope();
        // An adapter in training may keep another type than the base model.
        var read = (mask is null ? x : x * mask).to(A.dtype);
        return (nn.functional.linear(nn.functional.linear(read, A), B) * Scale).MoveToOuterDisposeScope();
    }

    /// <summary>Detaches its tensors from the scope they were made in.</summary>
    internal LinearPatch Keep()
    {
        foreach (var tensor in Tensors)
            tensor.DetachFromDisposeScope();
        return this;
    }

    public void Dispose()
    {
        foreach (var tensor in Tensors)
            tensor.Dispose();
    }

    private Tensor Scaled(Tensor x) => InputScale is null ? x : (x * InputScale).to(x.dtype);
}
