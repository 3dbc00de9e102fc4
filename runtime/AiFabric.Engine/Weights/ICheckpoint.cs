using AiFabric.Engine.Weights.Gguf;

namespace AiFabric.Engine.Weights;

/// <summary>The weights of a model under Hugging Face's names, whatever the format of their files.</summary>
internal interface ICheckpoint : IDisposable
{
    /// <summary>The files that make the model, configuration included, in the order in which its digest reads them.</summary>
    IReadOnlyList<string> Files { get; }

    /// <summary>A tensor by its name in Hugging Face's implementation; null when there is none.</summary>
    StoredTensor? Find(string name);

    /// <summary>Every tensor that the model needs was found.</summary>
    /// <exception cref="CheckpointException">Others are there that the model must not leave out.</exception>
    void RequireComplete();
}

/// <summary>Opens the weights of a model.</summary>
internal static class Checkpoint
{
    /// <param name="model">A Hugging Face model folder, a folder with one GGUF file, or that file.</param>
    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    public static ICheckpoint Open(string model) => GgufPath.Of(model) is { } file ? new GgufCheckpoint(file) : new SafetensorsCheckpoint(model);
}
