using System.Text;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.LlamaCpp;

/// <summary>Writes a GGUF file, version 3, little-endian, with float32 tensors alone.</summary>
/// <remarks>Source: ggml, docs/gguf.md. The numbers are that page's type ids.</remarks>
internal sealed class GgufWriter : IDisposable
{
    private const uint Magic = 0x46554747; // "GGUF"
    private const uint Version = 3;
    private const int Alignment = 32; // Bytes; the default without general.alignment.
    private const uint TypeUInt32 = 4, TypeInt32 = 5, TypeFloat32 = 6, TypeBool = 7, TypeString = 8, TypeArray = 9;
    private const uint TensorFloat32 = 0;

    private readonly MemoryStream metadata = new();
    private readonly BinaryWriter fields;
    private readonly List<(string Name, Tensor Tensor)> tensors = [];
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

    public void Add(string key, IReadOnlyCollection<int> values)
    {
        OpenArray(key, TypeInt32, values.Count);
        foreach (int value in values)
            fields.Write(value);
    }

    /// <param name="name">llama.cpp's name of the tensor.</param>
    /// <param name="tensor">Contiguous, Float32, on the CPU; must live until <see cref="Write"/> returns.</param>
    public void AddTensor(string name, Tensor tensor) => tensors.Add((name, tensor));

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
        foreach (var (name, tensor) in tensors)
        {
            WriteString(writer, name);
            writer.Write((uint)tensor.shape.Length);
            foreach (long size in tensor.shape.Reverse()) // The fastest dimension first.
                writer.Write((ulong)size);
            writer.Write(TensorFloat32);
            writer.Write(offset);
            offset += (ulong)Aligned(tensor.bytes.Length);
        }
        foreach (var (_, tensor) in tensors)
        {
            Pad(writer);
            writer.Write(tensor.bytes);
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

    private static long Aligned(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    private static void Pad(BinaryWriter writer)
    {
        long position = writer.BaseStream.Position; // Flushes.
        writer.Write(new byte[Aligned(position) - position]);
    }
}
