using System.Text;

namespace AiFabric.Engine.Tests.Weights.Gguf;

/// <summary>A small GGUF file, byte by byte, so that tests can let it lie.</summary>
internal sealed class GgufBytes
{
    public const uint UInt32 = 4, Bool = 7, Text = 8, List = 9;

    private readonly List<byte[]> values = [];
    private readonly List<byte[]> tensors = [];

    public uint Magic { get; init; } = 0x46554747;

    public uint Version { get; init; } = 3;

    /// <summary>Null for as many as there are.</summary>
    public ulong? TensorCount { get; init; }

    /// <summary>Null for as many as there are.</summary>
    public ulong? ValueCount { get; init; }

    /// <summary>Bytes of data; whatever they mean.</summary>
    public int Data { get; init; }

    public GgufBytes Value(string key, uint type, params object[] parts)
    {
        values.Add(Join([key, type, .. parts]));
        return this;
    }

    public GgufBytes Tensor(string name, uint type, ulong offset, params ulong[] extents)
    {
        tensors.Add(Join([name, (uint)extents.Length, .. extents.Cast<object>(), type, offset]));
        return this;
    }

    public byte[] Build()
    {
        byte[] header = [.. Join(Magic, Version, TensorCount ?? (ulong)tensors.Count, ValueCount ?? (ulong)values.Count), .. values.SelectMany(v => v), .. tensors.SelectMany(t => t)];
        byte[] padding = new byte[(32 - (header.Length % 32)) % 32];
        return [.. header, .. padding, .. Enumerable.Range(0, Data).Select(i => (byte)i)];
    }

    private static byte[] Join(params object[] parts) =>
    [
        .. parts.SelectMany(part => part switch
        {
            byte number => [number],
            uint number => BitConverter.GetBytes(number),
            int number => BitConverter.GetBytes(number),
            ulong number => BitConverter.GetBytes(number),
            string text => [.. BitConverter.GetBytes((ulong)Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)],
            _ => throw new ArgumentException($"{part.GetType()} has no bytes here.", nameof(parts)),
        }),
    ];
}
