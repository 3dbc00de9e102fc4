using AiFabric.Engine.Adapters.Methods;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

/// <summary>What each method makes of a linear layer, as its paper and Hugging Face PEFT write it down. Shares no code with the engine.</summary>
internal static class PlainAdapter
{
    /// <param name="method">Which method.</param>
    /// <param name="x">[n, in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out], or null.</param>
    /// <param name="values">The method's parameters; none where the layer is not adapted.</param>
    /// <param name="mask">[n, in] factors on what the low-rank product reads, or null.</param>
    public static Tensor Linear(PeftMethod method, Tensor x, Tensor weight, Tensor? bias, IReadOnlyList<Tensor> values, Tensor? mask = null)
    {
        Tensor plain = x.matmul(weight.t());
        Tensor offset = bias ?? zeros(weight.shape[0], weight.dtype);
        if (values.Count == 0)
            return plain + offset;
        if (method is Ia3Method)
        {
            return values[0].shape[0] == 1 // [1, in] scales what is read, [out, 1] what is written
                ? (x * values[0]).matmul(weight.t()) + offset
                : (plain + offset) * values[0].t();
        }

        var lora = (LoraMethod)method;
        double scale = lora.RankStabilized ? lora.Alpha / Math.Sqrt(lora.Rank) : lora.Alpha / lora.Rank;
        Tensor low = (mask is null ? x : x * mask).matmul(values[0].t()).matmul(values[1].t()) * scale;
        if (method is not DoraMethod)
            return plain + offset + low;
        Tensor norm = linalg.norm((weight + (values[1].matmul(values[0]) * scale)).detach(), dims: [1]);
        Tensor factor = values[2] / norm;
        return plain + offset + ((factor - 1) * plain) + (factor * low);
    }
}
