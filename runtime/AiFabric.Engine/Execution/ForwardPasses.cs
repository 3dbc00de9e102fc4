using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using TorchSharp;

namespace AiFabric.Engine.Execution;

/// <summary>Which pass runs which weights: kernels where the CPU computes in Float32, tensors elsewhere.</summary>
internal static class ForwardPasses
{
    public static IForwardPass Create(BaseWeights weights, EngineOptions options, Func<long, LoraAdapter> adapterOf) => weights switch
    {
        QuantizedWeights quantized => Kernels(quantized.Kernels, options, adapterOf),
        DecoderWeights dense when dense.Device.type == DeviceType.CPU && dense.Type is torch.ScalarType.Float32 or torch.ScalarType.BFloat16 =>
            Kernels(dense.Kernels, options, adapterOf),
        DecoderWeights dense => new TorchPass(dense, options.KvBlocks, options.BlockSize, adapterOf),
        _ => throw new ArgumentException($"No pass runs {weights.GetType().Name}.", nameof(weights)),
    };

    private static KernelPass Kernels(KernelWeights weights, EngineOptions options, Func<long, LoraAdapter> adapterOf) =>
        new(weights, Engine.Kernels.KernelSet.Best, options.Threads, options.KvBlocks, options.BlockSize, adapterOf);
}
