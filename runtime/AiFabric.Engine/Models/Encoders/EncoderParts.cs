using static TorchSharp.torch;

namespace AiFabric.Engine.Models.Encoders;

/// <summary>A linear map. Not owned.</summary>
/// <param name="Weight">[outputs, inputs].</param>
/// <param name="Bias">[outputs].</param>
internal readonly record struct Affine(Tensor Weight, Tensor Bias)
{
    /// <param name="x">[n, inputs].</param>
    /// <returns>[n, outputs].</returns>
    public Tensor Of(Tensor x) => nn.functional.linear(x, Weight, Bias);
}

/// <summary>A layer norm (Ba et al., arXiv 1607.06450). Not owned.</summary>
/// <param name="Weight">[size].</param>
/// <param name="Bias">[size].</param>
internal readonly record struct LayerNorm(Tensor Weight, Tensor Bias)
{
    /// <param name="x">[n, size].</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <returns>[n, size].</returns>
    public Tensor Of(Tensor x, double epsilon) => nn.functional.layer_norm(x, [x.shape[1]], Weight, Bias, epsilon);
}

/// <summary>Takes an encoder's tensors out of its files, and owns them.</summary>
internal sealed class EncoderTensors : IDisposable
{
    private readonly CheckpointReader reader;
    private readonly string prefix;
    private readonly List<Tensor> taken = [];

    /// <param name="reader">The files; not owned, and not needed after the last tensor is taken.</param>
    /// <param name="prefix">What every name begins with.</param>
    public EncoderTensors(CheckpointReader reader, string prefix = "") => (this.reader, this.prefix) = (reader, prefix);

    /// <summary>Numbers taken so far.</summary>
    public long Count => taken.Sum(tensor => tensor.numel());

    /// <exception cref="Engine.Weights.CheckpointException">There is no such tensor, or its shape is another.</exception>
    public Tensor Take(string name, params long[] shape)
    {
        var tensor = reader.Take(prefix + name, shape);
        taken.Add(tensor);
        return tensor;
    }

    public Affine TakeAffine(string name, int outputs, int inputs) => new(Take($"{name}.weight", outputs, inputs), Take($"{name}.bias", outputs));

    public LayerNorm TakeNorm(string name, int size) => new(Take($"{name}.weight", size), Take($"{name}.bias", size));

    public void Dispose()
    {
        foreach (var tensor in taken)
            tensor.Dispose();
    }
}
