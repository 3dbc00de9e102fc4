using static TorchSharp.torch;

namespace AiFabric.Engine.Adapters.Methods;

/// <summary>
/// Low-rank additions to the direction of a weight's rows, and their magnitudes m: <c>y = m / ‖W + s·B·A‖ ⊙ (W·x + s·B·(A·x)) + b</c> (Liu et
/// al., arXiv 2402.09353). The norms count as constants in gradients (section 4.3). Dropout is on what A reads; PEFT drops the inputs of W there
/// as well.
/// </summary>
public sealed record DoraMethod : LoraMethod
{
    internal override bool ReadsWeights => true;

    // PEFT leaves ".weight" out of this name in files.
    internal override IReadOnlyList<AdapterParameter> Parameters(LoraTarget target, int input, int output) =>
        [.. base.Parameters(target, input, output), new("lora_magnitude_vector", [output], StartValue.RowNorms, IsVector: true)];

    internal override Tensor? Constant(Tensor weight, ReadOnlySpan<Tensor> values)
    {
        using var scope = NewDisposeScope();
        ScalarType wide = values[2].dtype;
        return RowNorms(weight.to(wide) + (matmul(values[1].to(wide), values[0].to(wide)) * Scale)).MoveToOuterDisposeScope();
    }

    internal override LinearPatch Patch(ReadOnlySpan<Tensor> values, Tensor? constant, Tensor? bias)
    {
        if (constant is null)
            throw new ArgumentNullException(nameof(constant), "A weight-decomposed adapter cannot be applied without the weights it is for.");
        Tensor scale = values[2] / constant;
        return new LinearPatch
        {
            A = values[0].alias(),
            B = values[1].alias(),
            Scale = Scale,
            OutputScale = scale,
            Shift = bias is null ? null : bias - (scale * bias), // The bias is not scaled.
        };
    }

    // And the output before it is scaled.
    internal override (bool Input, long Numbers) Keeps(LoraTarget target, long input, long output, bool allWeights) =>
        (Dropout == 0, base.Keeps(target, input, output, allWeights).Numbers + output);

    /// <summary>[out], the L2 norms of a weight's rows; owned by the caller's scope.</summary>
    internal static Tensor RowNorms(Tensor weight)
    {
        using var scope = NewDisposeScope();
        return weight.square().sum(1).sqrt().MoveToOuterDisposeScope();
    }
}
