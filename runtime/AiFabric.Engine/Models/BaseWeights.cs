using AiFabric.Engine.Adapters;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>A base model in memory, frozen. How its weights lie is the business of its kinds; training reads them through this one.</summary>
public abstract class BaseWeights(DecoderConfig config, ScalarType type, CheckpointDigest digest) : IDisposable
{
    public DecoderConfig Config { get; } = config;

    /// <summary>Element type in which training computes: Float32, BFloat16 or Float64.</summary>
    public ScalarType Type { get; } = type;

    /// <summary>Where training computes; asking loads libtorch.</summary>
    public abstract Device Device { get; }

    /// <summary><c>sha256:…</c> over config.json and the safetensors files, in the order of their names; or over the GGUF file.</summary>
    /// <remarks>Computed when it is first asked for, which takes as long as reading the files; whoever asks meanwhile waits.</remarks>
    /// <exception cref="IOException">A file cannot be read now.</exception>
    public string Digest => digest.Read();

    /// <summary>Whether <see cref="Digest"/> answers at once.</summary>
    public bool IsDigestKnown => digest.IsKnown;

    /// <summary>[hidden].</summary>
    public abstract Tensor FinalNorm { get; }

    /// <summary>Numbers the model was trained with; a tied head is not counted twice.</summary>
    public abstract long ParameterCount { get; }

    /// <summary>Short name of the format of its matrices, for the log.</summary>
    public abstract string Format { get; }

    /// <summary>
    /// A layer as autograd needs it, in <see cref="Type"/>: not to be disposed, and valid until another one is asked for. Whoever kept a graph over it while others
    /// may have asked, asks again before it goes on: its tensors then hold the layer again.
    /// </summary>
    public abstract DecoderLayer TrainingLayer(int layer);

    /// <summary>A layer's matrix [out, in] in <see cref="Type"/>, owned by the caller's scope. Unlike a training layer's it may be asked for on any thread.</summary>
    public abstract Tensor Matrix(int layer, LoraTarget target);

    /// <summary>A layer's vector, not to be disposed; null where the model does not have it.</summary>
    public abstract Tensor? Vector(int layer, LayerVector vector);

    /// <summary>[vocab, hidden] in <see cref="Type"/>, owned by the caller's scope.</summary>
    public abstract Tensor TrainingHead();

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}
