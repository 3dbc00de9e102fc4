using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>Takes tensors out of a model's files by name. Beyond what is taken it needs one chunk of memory: pages that were read go.</summary>
internal sealed class CheckpointReader : IDisposable
{
    /// <summary>What is converted at once; small beside any model, large beside the cost of a call of libtorch.</summary>
    private const int ChunkBytes = 4 << 20;

    private readonly ScalarType type;
    private readonly Device device;
    private readonly List<Tensor> taken = [];

    // Kept from tensor to tensor: freed in between, chunks would leave holes among the weights that malloc does not fill again.
    private readonly Dictionary<ScalarType, Tensor> chunks = [];

    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    public CheckpointReader(string folder, ScalarType type, Device device)
    {
        (this.type, this.device) = (type, device);
        Files = new CheckpointFiles(folder);
    }

    /// <summary>The files.</summary>
    public CheckpointFiles Files { get; }

    /// <summary>Copies a tensor to memory of the wanted type and device; the caller owns it.</summary>
    /// <exception cref="CheckpointException">There is no such tensor, or its shape is another.</exception>
    public Tensor Take(string name, params long[] shape) => Take(name, type, shape);

    /// <summary>Copies a tensor to memory of the device in a type of its own; the caller owns it.</summary>
    /// <exception cref="CheckpointException">There is no such tensor, or its shape is another.</exception>
    public Tensor Take(string name, ScalarType wanted, long[] shape)
    {
        var stored = Files.Find(name, shape);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var tensor = empty(shape, wanted, device).DetachFromDisposeScope();
        taken.Add(tensor);
        if (tensor.numel() > 0)
            Copy(stored, tensor.view(stored.Rows, stored.Columns));
        stored.Release();
        return tensor;
    }

    /// <summary>Copies a vector, with what the files leave out added to it; the caller owns it.</summary>
    /// <returns>[size]; with an offset at least Float32, because BFloat16 of 1 + w would lose most of w.</returns>
    /// <exception cref="CheckpointException">There is no such tensor, or its size is another.</exception>
    public Tensor Take(StoredVector vector)
    {
        if (vector.Offset == 0)
            return Take(vector.Name, vector.Size);
        var tensor = Take(vector.Name, type == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32, [vector.Size]);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        tensor.add_(vector.Offset);
        return tensor;
    }

    /// <summary>Frees what was taken so far: a load that failed half way keeps nothing.</summary>
    public void DisposeTaken()
    {
        foreach (var tensor in taken)
            tensor.Dispose();
        Files.ForgetDigest();
    }

    public void Dispose()
    {
        foreach (var chunk in chunks.Values)
            chunk.Dispose();
        Files.Dispose();
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
