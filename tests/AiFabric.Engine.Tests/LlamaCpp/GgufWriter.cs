using System.Runtime.InteropServices;
using System.Text;
using AiFabric.Engine.Tests.LlamaCpp.Interop;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.LlamaCpp;

/// <summary>How a tensor is stored; ggml's type ids.</summary>
internal enum GgufType
{
    Float32 = 0,
    Float16 = 1,
    Q4Zero = 2,
    Q4One = 3,
    Q5Zero = 6,
    Q5One = 7,

    /// <summary>32 signed bytes behind a scale in half precision.</summary>
    Q8 = 8,
    Q4K = 12,
    Q5K = 13,
    Q6K = 14,
    BFloat16 = 30,
}

/// <summary>Writes a GGUF file, version 3, little-endian.</summary>
/// <remarks>Source: ggml, docs/gguf.md. The numbers are that page's type ids.</remarks>
internal sealed class GgufWriter : IDisposable
{
    private const uint Magic = 0x46554747; // "GGUF"
    private const uint Version = 3;
    private const int Alignment = 32; // Bytes; the default without general.alignment.
    private const uint TypeUInt32 = 4, TypeInt32 = 5, TypeFloat32 = 6, TypeBool = 7, TypeString = 8, TypeArray = 9;
    private const int Q8Block = 32;

    private readonly MemoryStream metadata = new();
    private readonly BinaryWriter fields;
    private readonly List<(string Name, Tensor Tensor, GgufType Type)> tensors = [];
    private ulong fieldCount;

    public GgufWriter() => fields = new BinaryWriter(metadata);

    public void Add(string key, uint value)
    {
        Open(key, TypeUInt32);
        fields.Write(value);
    }

    public void Add(string key, float value)
    {
        Open(key, TypeFloat32);
        fields.Write(value);
    }

    public void Add(string key, bool value)
    {
        Open(key, TypeBool);
        fields.Write(value);
    }

    public void Add(string key, string value)
    {
        Open(key, TypeString);
        WriteString(fields, value);
    }

    public void Add(string key, IReadOnlyCollection<string> values)
    {
        OpenArray(key, TypeString, values.Count);
        foreach (string value in values)
            WriteString(fields, value);
    }

    public void Add(string key, IReadOnlyCollection<float> values)
    {
        OpenArray(key, TypeFloat32, values.Count);
        foreach (float value in values)
            fields.Write(value);
    }

    public void Add(string key, IReadOnlyCollection<int> values)
    {
        OpenArray(key, TypeInt32, values.Count);
        foreach (int value in values)
            fields.Write(value);
    }

    /// <param name="name">llama.cpp's name of the tensor.</param>
    /// <param name="tensor">Contiguous, Float32, on the CPU; must live until <see cref="Write"/> returns.</param>
    /// <param name="type">How it is stored. Types of 4 to 6 bits are made by ggml itself; their rows hold whole blocks of 32, of K types 256.</param>
    public void AddTensor(string name, Tensor tensor, GgufType type = GgufType.Float32) => tensors.Add((name, tensor, type));

    public void Write(string path)
    {
        using var writer = new BinaryWriter(File.Create(path));
        writer.Write(Magic);
        writer.Write(Version);
        writer.Write((ulong)tensors.Count);
        writer.Write(fieldCount);
        fields.Flush();
        writer.Write(metadata.ToArray());
        ulong offset = 0;
        foreach (var (name, tensor, type) in tensors)
        {
            WriteString(writer, name);
            writer.Write((uint)tensor.shape.Length);
            foreach (long size in tensor.shape.Reverse()) // The fastest dimension first.
                writer.Write((ulong)size);
            writer.Write((uint)type);
            writer.Write(offset);
            offset += (ulong)Aligned(Bytes(tensor, type));
        }
        foreach (var (_, tensor, type) in tensors)
        {
            Pad(writer);
            WriteValues(writer, MemoryMarshal.Cast<byte, float>(tensor.bytes), tensor.shape[^1], type);
        }
        Pad(writer);
    }

    public void Dispose()
    {
        fields.Dispose();
        metadata.Dispose();
    }

    private void Open(string key, uint type)
    {
        WriteString(fields, key);
        fields.Write(type);
        fieldCount++;
    }

    private void OpenArray(string key, uint type, int count)
    {
        Open(key, TypeArray);
        fields.Write(type);
        fields.Write((ulong)count);
    }

    private static void WriteString(BinaryWriter writer, string value)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(value);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static long Bytes(Tensor tensor, GgufType type) => type switch
    {
        GgufType.Float32 => tensor.numel() * sizeof(float),
        GgufType.BFloat16 or GgufType.Float16 => tensor.numel() * sizeof(ushort),
        GgufType.Q8 => tensor.numel() / Q8Block * (sizeof(ushort) + Q8Block),
        _ => tensor.numel() / tensor.shape[^1] * (long)GgmlApi.ggml_row_size((uint)type, tensor.shape[^1]),
    };

    private static void WriteValues(BinaryWriter writer, ReadOnlySpan<float> values, long columns, GgufType type)
    {
        if (type == GgufType.Float32)
        {
            writer.Write(MemoryMarshal.AsBytes(values));
        }
        else if (type == GgufType.BFloat16)
        {
            foreach (float value in values)
            {
                uint bits = BitConverter.SingleToUInt32Bits(value);
                writer.Write((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)); // To the nearest, ties to even.
            }
        }
        else if (type == GgufType.Float16)
        {
            foreach (float value in values)
                writer.Write((Half)value);
        }
        else if (type == GgufType.Q8)
        {
            for (int start = 0; start < values.Length; start += Q8Block)
                WriteQ8(writer, values.Slice(start, Q8Block));
        }
        else
        {
            writer.Write(GgmlApi.Quantize((uint)type, values, columns));
        }
    }

    private static void WriteQ8(BinaryWriter writer, ReadOnlySpan<float> block)
    {
        float most = 0;
        foreach (float value in block)
            most = MathF.Max(most, MathF.Abs(value));
        float scale = most / 127;
        writer.Write((Half)scale);
        foreach (float value in block)
            writer.Write((sbyte)MathF.Round(scale == 0 ? 0 : value / scale));
    }

    private static long Aligned(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    private static void Pad(BinaryWriter writer)
    {
        long position = writer.BaseStream.Position; // Flushes.
        writer.Write(new byte[Aligned(position) - position]);
    }
}
