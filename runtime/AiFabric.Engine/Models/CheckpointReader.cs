using System.Security.Cryptography;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>Takes tensors by name out of a model's files. Beyond what is taken it needs one chunk of memory: pages that were read go.</summary>
internal sealed class CheckpointReader : IDisposable
{
    /// <summary>What is converted at once; small beside any model, large beside the cost of a call of libtorch.</summary>
    private const int ChunkBytes = 4 << 20;

    private readonly string folder;
    private readonly ScalarType type;
    private readonly Device device;
    private readonly ICheckpoint checkpoint;
    private readonly List<Tensor> taken = [];
    private readonly List<FileStream> digestStreams = [];

    // Kept from tensor to tensor: freed in between, chunks would leave holes among the weights that malloc does not fill again.
    private readonly Dictionary<ScalarType, Tensor> chunks = [];

    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    public CheckpointReader(string folder, ScalarType type, Device device)
    {
        (this.folder, this.type, this.device) = (folder, type, device);
        checkpoint = Checkpoint.Open(folder);
    }

    /// <summary>Whether a file holds such a tensor.</summary>
    public bool Has(string name) => checkpoint.Find(name) is not null;

    /// <summary>Copies a tensor to memory of the wanted type and device; the caller owns it.</summary>
    /// <exception cref="CheckpointException">There is no such tensor, or its shape is another.</exception>
    public Tensor Take(string name, params long[] shape) => Take(name, type, shape);

    /// <summary>Copies a tensor to memory of the device in a type of its own; the caller owns it.</summary>
    /// <exception cref="CheckpointException">There is no such tensor, or its shape is another.</exception>
    public Tensor Take(string name, ScalarType wanted, long[] shape)
    {
        var stored = Find(name, shape);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var tensor = empty(shape, wanted, device).DetachFromDisposeScope();
        taken.Add(tensor);
        if (tensor.numel() > 0)
            Copy(stored, tensor.view(stored.Rows, stored.Columns));
        stored.Release();
        return tensor;
    }

    /// <summary>Copies a norm's weights, with what the files leave out added to them; the caller owns it.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="size">Its length.</param>
    /// <param name="offset">See <see cref="DecoderConfig.NormOffset"/>.</param>
    /// <returns>[size]; with an offset at least Float32, because BFloat16 of 1 + w would lose most of w.</returns>
    /// <exception cref="CheckpointException">There is no such tensor, or its size is another.</exception>
    public Tensor TakeNorm(string name, int size, double offset)
    {
        if (offset == 0)
            return Take(name, size);
        var tensor = Take(name, type == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32, [size]);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        tensor.add_(offset);
        return tensor;
    }

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
    public Lazy<string> Digest()
    {
        // Opened here, so that files put in their place later do not count.
        digestStreams.AddRange(checkpoint.Files.Select(File.OpenRead));
        var streams = digestStreams;
        return new Lazy<string>(() => DigestOf(streams));
    }

    /// <summary>Frees what was taken so far: a load that failed half way keeps nothing.</summary>
    public void DisposeTaken()
    {
        foreach (var tensor in taken)
            tensor.Dispose();
        foreach (var stream in digestStreams)
            stream.Dispose();
    }

    public void Dispose()
    {
        foreach (var chunk in chunks.Values)
            chunk.Dispose();
        checkpoint.Dispose();
    }

    private static string DigestOf(List<FileStream> streams)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        foreach (var stream in streams)
        {
            using (stream)
            {
                for (int read; (read = stream.Read(buffer)) > 0;)
                    hash.AppendData(buffer, 0, read);
            }
        }
        return "sha256:" + Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    // Straight into the tensor where it has the stored type, else through a chunk that libtorch converts.
    private void Copy(StoredTensor stored, Tensor to)
    {
        long chunkRows = Math.Clamp(ChunkBytes / (stored.Columns * stored.ElementBytes), 1, stored.Rows);
        bool direct = stored.Type == to.dtype && device.type == TorchSharp.DeviceType.CPU;
        for (long first = 0; first < stored.Rows; first += chunkRows)
        {
            using var step = NewDisposeScope();
            long rows = Math.Min(chunkRows, stored.Rows - first);
            var part = to.narrow(0, first, rows);
            var read = direct ? part : Chunk(stored.Type, rows * stored.Columns).view(rows, stored.Columns);
            stored.ReadRows(first, read.bytes);
            if (!direct)
                part.copy_(read);
        }
    }

    private Tensor Chunk(ScalarType stored, long elements)
    {
        if (!chunks.TryGetValue(stored, out var chunk) || chunk.numel() < elements)
        {
            chunk?.Dispose();
            long usual = ChunkBytes / TensorTypes.Describe(stored).Bytes;
            chunks[stored] = chunk = empty(Math.Max(usual, elements), stored).DetachFromDisposeScope();
        }
        return chunk.narrow(0, 0, elements);
    }
}
