using AiFabric.Engine.Adapters;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.Models;

namespace AiFabric.Engine.Execution;

/// <summary>Which pass runs which weights: kernels where the CPU computes in Float32, tensors elsewhere.</summary>
internal static class ForwardPasses
{
    public static IForwardPass Create(BaseWeights weights, EngineOptions options, Func<long, PeftAdapter> adapterOf) => weights switch
    {
        HostWeights host => new KernelPass(host.Kernels, KernelSet.Best, options.Threads, options.KvBlocks, options.BlockSize, adapterOf),
        DecoderWeights tensors => new TorchPass(tensors, options.KvBlocks, options.BlockSize, adapterOf),
        _ => throw new ArgumentException($"No pass runs {weights.GetType().Name}.", nameof(weights)),
    };
}
