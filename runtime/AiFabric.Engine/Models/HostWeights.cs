using AiFabric.Engine.Adapters;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>
/// The weights of a decoder in plain memory, for kernels. libtorch is not needed before somebody trains; training sees the same memory as tensors, and
/// of 8-bit weights restores one layer at a time: it differentiates exactly the weights that inference uses (QLoRA, arXiv 2305.14314).
/// </summary>
internal sealed class HostWeights : BaseWeights
{
    private readonly Lazy<TrainingViews> views;

    private HostWeights(KernelWeights kernels, CheckpointDigest digest)
        : base(kernels.Config, kernels.Format == WeightFormat.BFloat16 ? ScalarType.BFloat16 : ScalarType.Float32, digest)
    {
        Kernels = kernels;
        views = new Lazy<TrainingViews>(() =>
        {
            TorchRuntime.EnsureLoaded();
            return new TrainingViews(kernels, Type);
        });
    }

    public override Device Device
    {
        get
        {
            TorchRuntime.EnsureLoaded(); // Naming a device is enough to need it.
            return CPU;
        }
    }

    public override Tensor FinalNorm => views.Value.FinalNorm;

    public override long ParameterCount => Kernels.ParameterCount;

    public override string Format => Kernels.Format.ToString();

    /// <summary>The memory.</summary>
    public KernelWeights Kernels { get; }

    /// <summary>Reads a Hugging Face model folder, or a GGUF file.</summary>
    /// <param name="folder">Holds config.json and model.safetensors, or the shards that model.safetensors.index.json lists; or one GGUF file. May be that file itself.</param>
    /// <param name="format">Of matrices in memory, whatever the file's.</param>
    /// <param name="threads">Threads that read.</param>
    /// <exception cref="CheckpointException">A file or tensor is missing, damaged, or of another shape than config.json says.</exception>
    public static HostWeights Load(string folder, WeightFormat format, int threads = 1)
    {
        var config = DecoderConfig.Load(folder);
        using var files = new CheckpointFiles(folder);
        var kernels = KernelWeights.Read(files, config, format, threads);
        try
        {
            return new HostWeights(kernels, files.Digest());
        }
        catch
        {
            files.ForgetDigest();
            kernels.Dispose();
            throw;
        }
    }

    public override DecoderLayer TrainingLayer(int layer) => views.Value.Layer(layer);

    public override Tensor Matrix(int layer, LoraTarget target) => views.Value.Matrix(layer, target);

    public override Tensor? Vector(int layer, LayerVector vector) => views.Value.Vector(layer, vector);

    public override Tensor TrainingHead() => views.Value.Head();

    protected override void Dispose(bool disposing)
    {
        if (views.IsValueCreated)
            views.Value.Dispose();
        Kernels.Dispose();
    }
}
