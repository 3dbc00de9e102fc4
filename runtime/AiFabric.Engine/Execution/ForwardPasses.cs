using System.ComponentModel.DataAnnotations;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Cuda;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.Models;
using AiFabric.Engine.Weights;
using Microsoft.Extensions.Logging;

namespace AiFabric.Engine.Execution;

/// <summary>Which pass runs which weights: kernels where the CPU computes in Float32, tensors elsewhere.</summary>
internal static class ForwardPasses
{
    /// <summary>Reads the weights that the options ask for, as their pass wants them.</summary>
    /// <exception cref="CheckpointException">The model folder cannot be used; the message says why.</exception>
    /// <exception cref="DllNotFoundException">libtorch is missing.</exception>
    public static BaseWeights LoadWeights(EngineOptions options)
    {
        if (KernelFormat(options) is { } format)
            return HostWeights.Load(options.ModelFolder, format, options.Threads);
        TorchRuntime.EnsureLoaded(); // Naming a device is enough to need it.
        return DecoderWeights.Load(options.ModelFolder, options.Type, TorchSharp.torch.device(options.Device));
    }

    /// <param name="weights">The model.</param>
    /// <param name="options">Sizes.</param>
    /// <param name="adapterOf">The adapter of a load number other than 0.</param>
    /// <param name="unused">Ids that are no token.</param>
    /// <param name="logger">Hears why a device has to do without kernels of our own.</param>
    /// <exception cref="ValidationException">The cache is to have a type that the pass does not keep.</exception>
    public static IForwardPass Create(BaseWeights weights, EngineOptions options, Func<long, PeftAdapter> adapterOf, int[] unused, ILogger logger) => weights switch
    {
        HostWeights host => new KernelPass(host.Kernels, KernelSet.Best, options.Threads, options.KvBlocks, options.BlockSize, adapterOf, CacheOf(options)),
        DecoderWeights tensors when options.KvCacheType.ToString() is var type && type != nameof(KvCacheType.Auto) && type != tensors.Type.ToString() =>
            throw new ValidationException($"KvCacheType is {type}, but on {options.Device} in {tensors.Type} the cache has the type of the weights: leave it Auto."),
        DecoderWeights tensors => new TorchPass(tensors, options.KvBlocks, options.BlockSize, adapterOf, Kernels(tensors, options.BlockSize, logger), unused),
        _ => throw new ArgumentException($"No pass runs {weights.GetType().Name}.", nameof(weights)),
    };

    /// <summary>How kernels keep keys and values.</summary>
    public static CacheFormat CacheOf(EngineOptions options) => options switch
    {
        { KvCacheType: KvCacheType.Float32 } => CacheFormat.Float32,
        { KvCacheType: KvCacheType.BFloat16 } => CacheFormat.BFloat16,
        { Quantization: Quantization.None, Type: TorchSharp.torch.ScalarType.Float32 } => CacheFormat.Float32,
        _ => CacheFormat.BFloat16,
    };

    /// <summary>The device that the options stand for: <c>cpu</c> or <c>cuda</c>.</summary>
    /// <exception cref="ValidationException">They ask for CUDA, and there is none.</exception>
    public static string DeviceOf(EngineOptions options)
    {
        if (options.Device == "cpu" || (options.Device == "auto" && options.Quantization != Quantization.None))
            return "cpu";
        if (TorchRuntime.HasCuda)
            return "cuda";
        return options.Device == "auto" ? "cpu" : throw new ValidationException(
            $"Device is cuda, but this libtorch has no CUDA or finds no device: set {TorchRuntime.DirectoryVariable} to the torch/lib folder of a PyTorch with CUDA, or Device to cpu.");
    }

    // How matrices lie in memory where kernels compute; null where tensors do.
    private static WeightFormat? KernelFormat(EngineOptions options) => (options.Device, options.Quantization, options.Type) switch
    {
        ("cpu", Quantization.Q8, _) => WeightFormat.Q8,
        ("cpu", _, TorchSharp.torch.ScalarType.Float32) => WeightFormat.Float32,
        ("cpu", _, TorchSharp.torch.ScalarType.BFloat16) => WeightFormat.BFloat16,
        _ => null,
    };

    // Slower without them, but right.
    private static CudaKernels? Kernels(DecoderWeights weights, int blockSize, ILogger logger)
    {
        if (weights.Device.type != TorchSharp.DeviceType.CUDA)
            return null;
        string reason;
        if (CudaKernels.Unfit(weights.Config, weights.Type) is { } unfit)
        {
            reason = unfit;
        }
        else
        {
            try
            {
                return CudaKernels.Compile(weights.Config, weights.Type, blockSize);
            }
            catch (Exception e) when (e is InvalidOperationException or DllNotFoundException or EntryPointNotFoundException)
            {
                reason = e.Message;
            }
        }
        Log.NoCudaKernels(logger, reason);
        return null;
    }
}
