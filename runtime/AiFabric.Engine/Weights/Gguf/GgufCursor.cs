using System.Buffers.Binary;
using AiFabric.Engine.Interop;

namespace AiFabric.Engine.Weights.Gguf;

/// <summary>Reads a GGUF file's header from front to back; every step is held against the file's end.</summary>
internal sealed class GgufCursor(MappedFile file, string path)
{
    /// <summary>Where the next read begins.</summary>
    public long Position { get; set; }

    private long Remaining => file.Length - Position;

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)));

    /// <summary>A string: its length in 8 bytes, then UTF-8.</summary>
    public ReadOnlySpan<byte> Text() => Take((int)Count("a string's length", 1, int.MaxValue));

    /// <summary>The number of things that follow.</summary>
    /// <param name="what">They, for messages.</param>
    /// <param name="eachBytes">Bytes of one at least: more of them than fit into the file are a lie.</param>
    /// <param name="most">How many are supported.</param>
    public long Count(string what, int eachBytes, long most)
    {
        ulong count = UInt64();
        return count <= (ulong)Math.Min(Remaining / eachBytes, most)
            ? (long)count
            : throw Refuse($"{what} is {count}, but {Remaining} bytes follow: the file is truncated or lies");
    }

    public void Skip(long bytes)
    {
        if (bytes < 0 || bytes > Remaining)
            throw Truncated();
        Position += bytes;
    }

    public ReadOnlySpan<byte> Take(int bytes)
    {
        if (bytes > Remaining)
            throw Truncated();
        var span = file.Bytes(Position, bytes);
        Position += bytes;
        return span;
    }

    public CheckpointException Refuse(string problem) => new($"{path}: {problem}.");

    private CheckpointException Truncated() => Refuse($"the header goes on behind the file's end at {file.Length}: the file is truncated");
}
