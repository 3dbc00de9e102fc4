using System.Buffers.Binary;
using System.Text.Json;
using static TorchSharp.torch;

namespace AiFabric.Engine.Weights;

/// <summary>Writes safetensors files.</summary>
public static class SafetensorsWriter
{
    /// <summary>Writes the tensors in the order given. The file appears whole or not at all: written beside, flushed to disk, renamed.</summary>
    /// <param name="path">The file to make or replace.</param>
    /// <param name="tensors">Names and tensors (any device or layout; F32, BF16, F16, F64, I64 or I32); not disposed.</param>
    /// <param name="metadata">Strings kept under <c>__metadata__</c>.</param>
    /// <exception cref="CheckpointException">A tensor's type cannot be stored, or a name occurs twice.</exception>
    public static void Write(
        string path, IReadOnlyCollection<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        byte[] header = BuildHeader(path, tensors, metadata);
        string temporary = $"{path}.{Environment.ProcessId}.tmp";
        try
        {
            using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
            {
                Span<byte> length = stackalloc byte[SafetensorsHeader.LengthBytes];
                BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
                stream.Write(length);
                stream.Write(header);
                foreach (var (_, tensor) in tensors)
                    WriteData(stream, tensor);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private static byte[] BuildHeader(
        string path, IReadOnlyCollection<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var entries = new Dictionary<string, object>();
        if (metadata is { Count: > 0 })
            entries.Add("__metadata__", metadata);
        long end = 0;
        foreach (var (name, tensor) in tensors)
        {
            var (type, elementBytes) = TensorTypes.Describe(tensor.dtype);
            long next = end + (tensor.numel() * elementBytes);
            if (!entries.TryAdd(name, new { dtype = type, tensor.shape, data_offsets = new[] { end, next } }))
                throw new CheckpointException($"{path}: tensor '{name}' is given twice.");
            end = next;
        }
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(entries);
        // Spaces up to a multiple of 8 keep the data aligned, as the reference writer does.
        int padded = (json.Length + 7) / 8 * 8;
        byte[] header = new byte[padded];
        json.CopyTo(header, 0);
        header.AsSpan(json.Length).Fill((byte)' ');
        return header;
    }

    private static void WriteData(FileStream stream, Tensor tensor)
    {
        using var scope = NewDisposeScope();
        stream.Write(tensor.detach().cpu().contiguous().bytes);
    }
}
