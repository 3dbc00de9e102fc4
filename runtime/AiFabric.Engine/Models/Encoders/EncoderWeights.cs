using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models.Encoders;

/// <summary>An encoder in memory, frozen: a model that makes one vector of a whole text and writes none.</summary>
/// <param name="config">Its shape.</param>
/// <param name="digest"><c>sha256:…</c> over config.json and the safetensors files.</param>
public abstract class EncoderWeights(EncoderConfig config, string digest) : IDisposable
{
    public int VocabularySize { get; } = config.VocabularySize;

    /// <summary>Tokens of a text at most.</summary>
    public int Context { get; } = config.Context;

    /// <summary>Numbers of a vector.</summary>
    public int EmbeddingSize { get; } = config.HiddenSize;

    public string Digest { get; } = digest;

    public abstract long ParameterCount { get; }

    /// <summary>Loads a model folder, in Float32.</summary>
    /// <exception cref="CheckpointException">The folder cannot be used; the message says why.</exception>
    public static EncoderWeights Load(string folder, Device device)
    {
        var config = EncoderConfig.Load(folder);
        using var reader = new CheckpointReader(folder, ScalarType.Float32, device);
        try
        {
            return config.ModelType == EncoderConfig.Bert ? new BertWeights(config, reader) : new UseLiteWeights(config, reader);
        }
        catch
        {
            reader.DisposeTaken();
            throw;
        }
    }

    /// <summary>Runs texts through the model, all rows below each other; only attention keeps them apart.</summary>
    /// <param name="tokens">[n] Int64: the texts' tokens, one text after the other.</param>
    /// <param name="positions">[n] Int64: each token's place in its text.</param>
    /// <param name="lengths">Tokens of each text; their sum is n.</param>
    /// <returns>[texts, size] Float32 on the CPU, contiguous, owned by the caller's scope.</returns>
    public abstract Tensor Encode(Tensor tokens, Tensor positions, IReadOnlyList<int> lengths);

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}
