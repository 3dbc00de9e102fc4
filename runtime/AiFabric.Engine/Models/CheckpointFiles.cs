using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>A model's files, open: finds tensors in them and computes their digest.</summary>
internal sealed class CheckpointFiles : IDisposable
{
    private readonly string folder;
    private readonly ICheckpoint checkpoint;
    private CheckpointDigest? digest;

    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    public CheckpointFiles(string folder)
    {
        this.folder = folder;
        checkpoint = Checkpoint.Open(folder);
    }

    /// <summary>Whether a file holds such a tensor.</summary>
    public bool Has(string name) => checkpoint.Find(name) is not null;

    /// <summary>A tensor as it is stored, valid until this is disposed. Whoever has read it calls <see cref="StoredTensor.Release"/>.</summary>
    /// <exception cref="CheckpointException">There is no such tensor, or its shape is another.</exception>
    public StoredTensor Find(string name, ReadOnlySpan<long> shape)
    {
        var stored = checkpoint.Find(name) ?? throw new CheckpointException($"{folder}: no file holds tensor '{name}', which the configuration asks for.");
        if (stored.Type is ScalarType.Int64 or ScalarType.Int32)
            throw new CheckpointException($"{stored.Place} holds integers; weights are F32, BF16, F16 or F64.");
        return stored.Shape.AsSpan().SequenceEqual(shape)
            ? stored
            : throw new CheckpointException($"{stored.Place} has shape [{string.Join(", ", stored.Shape)}], expected [{string.Join(", ", shape.ToArray())}].");
    }

    /// <summary>Says that the model has all it needs.</summary>
    /// <exception cref="CheckpointException">The file holds tensors that the model would have to compute with as well.</exception>
    public void RequireComplete() => checkpoint.RequireComplete();

    /// <summary><c>sha256:…</c> of the configuration and the weights: of the files as they are now, but read when the answer is wanted.</summary>
    public CheckpointDigest Digest()
    {
        // Opened here, so that files put in their place later do not count.
        return digest = new CheckpointDigest([.. checkpoint.Files.Select(File.OpenRead)]);
    }

    /// <summary>Takes the digest back: the load failed.</summary>
    public void ForgetDigest() => digest?.Close();

    public void Dispose() => checkpoint.Dispose();
}
