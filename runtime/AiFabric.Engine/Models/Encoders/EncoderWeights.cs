using static TorchSharp.torch;

namespace AiFabric.Engine.Models.Encoders;

/// <summary>An encoder in memory, frozen: a model that makes one vector of a whole text and writes none.</summary>
/// <param name="vocabulary">Rows of its embedding matrix.</param>
/// <param name="context">Tokens of a text at most.</param>
/// <param name="size">Numbers of a vector.</param>
/// <param name="digest"><c>sha256:…</c> over config.json and the safetensors files.</param>
public abstract class EncoderWeights(int vocabulary, int context, int size, string digest) : IDisposable
{
    public int VocabularySize { get; } = vocabulary;

    public int MaximumPositions { get; } = context;

    public int EmbeddingSize { get; } = size;

    public string Digest { get; } = digest;

    public abstract long ParameterCount { get; }

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
