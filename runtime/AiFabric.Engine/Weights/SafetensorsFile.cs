using AiFabric.Engine.Interop;
using static TorchSharp.torch;

namespace AiFabric.Engine.Weights;

/// <summary>A safetensors file, memory-mapped: opening reads only the header, tensors are paged in when they are used.</summary>
public sealed class SafetensorsFile : IDisposable
{
    private readonly MappedFile map;
    private readonly SafetensorsHeader header;

    private SafetensorsFile(string path, MappedFile map, SafetensorsHeader header) => (Path, this.map, this.header) = (path, map, header);

    /// <summary>The file's path, as given.</summary>
    public string Path { get; }

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, TensorEntry> Tensors => header.Tensors;

    /// <summary>The free-form strings under <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata => header.Metadata;

    /// <summary>Maps a file and checks its header against its length.</summary>
    /// <exception cref="CheckpointException">The file is missing, unreadable, truncated, or its header lies; the message says which.</exception>
    public static SafetensorsFile Open(string path)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            long fileBytes = stream.Length;
            var length = new byte[SafetensorsHeader.LengthBytes];
            int read = stream.ReadAtLeast(length, length.Length, throwOnEndOfStream: false);
            var json = new byte[SafetensorsHeader.ReadLength(path, length.AsSpan(0, read), fileBytes)];
            stream.ReadExactly(json);
            var header = SafetensorsHeader.Parse(path, json, fileBytes);
            return new SafetensorsFile(path, new MappedFile(stream), header);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The raw little-endian bytes of a tensor, valid until this file is disposed.</summary>
    /// <exception cref="CheckpointException">There is no such tensor, or it is larger than a span (2 GiB).</exception>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public ReadOnlySpan<byte> Bytes(string name)
    {
        var entry = Entry(name);
        if (entry.Bytes > int.MaxValue)
            throw new CheckpointException($"{Path}: tensor '{name}' has {entry.Bytes} bytes; at most {int.MaxValue} can be read as one span.");
        return map.Bytes(entry.Offset, (int)entry.Bytes);
    }

    /// <summary>A part of a tensor's bytes, valid until this file is disposed.</summary>
    internal ReadOnlySpan<byte> Bytes(TensorEntry entry, long from, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, entry.Bytes - from);
        return map.Bytes(entry.Offset + from, count);
    }

    /// <summary>Lets a tensor's pages go; they come back when they are read again.</summary>
    internal void Release(TensorEntry entry) => map.Release(entry.Offset, entry.Bytes);

    /// <summary>Copies a tensor out of the file.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="type">The element type wanted; the file's own if null.</param>
    /// <returns>A new CPU tensor of the file's shape, owned by the caller.</returns>
    /// <exception cref="CheckpointException">There is no such tensor, or it is larger than 2 GiB.</exception>
    public Tensor Read(string name, ScalarType? type = null)
    {
        var source = Bytes(name);
        var entry = Entry(name);
        var tensor = empty(entry.Shape.AsSpan().ToArray(), dtype: entry.Type);
        source.CopyTo(tensor.bytes);
        if (type is null || type == entry.Type)
            return tensor;
        using (tensor)
            return tensor.to(type.Value);
    }

    /// <summary>Copies a tensor out of the file and holds it to a shape.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="shape">The shape it must have.</param>
    /// <param name="type">The element type wanted; the file's own if null.</param>
    /// <returns>A new CPU tensor of that shape, owned by the caller.</returns>
    /// <exception cref="CheckpointException">There is no such tensor, or its shape is another.</exception>
    public Tensor Read(string name, ReadOnlySpan<long> shape, ScalarType? type = null)
    {
        TypeOf(name, shape);
        return Read(name, type);
    }

    /// <summary>Holds a tensor to a shape.</summary>
    /// <returns>Its element type in the file.</returns>
    /// <exception cref="CheckpointException">There is no such tensor, or its shape is another.</exception>
    public ScalarType TypeOf(string name, ReadOnlySpan<long> shape)
    {
        var entry = Entry(name);
        if (!entry.Shape.AsSpan().SequenceEqual(shape))
        {
            throw new CheckpointException(
                $"{Path}: tensor '{name}' has shape [{string.Join(", ", entry.Shape)}], expected [{string.Join(", ", shape.ToArray())}].");
        }
        return entry.Type;
    }

    public void Dispose() => map.Dispose();

    private TensorEntry Entry(string name) =>
        header.Tensors.TryGetValue(name, out var entry) ? entry : throw new CheckpointException($"{Path}: has no tensor '{name}'.");
}
