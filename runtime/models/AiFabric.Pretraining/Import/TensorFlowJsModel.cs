using System.Runtime.InteropServices;
using System.Text.Json;
using static TorchSharp.torch;

namespace AiFabric.Pretraining.Import;

/// <summary>The weights of a TensorFlow.js graph model: <c>model.json</c>, whose manifest says what lies in the shards beside it.</summary>
/// <remarks>Source: TensorFlow.js, <c>WeightsManifestConfig</c>: a group's shards are one byte string, its tensors lie in it one after the other.</remarks>
internal sealed class TensorFlowJsModel
{
    private const int ElementBytes = 4;

    private readonly Dictionary<string, (long[] Shape, ReadOnlyMemory<byte> Bytes)> tensors = new(StringComparer.Ordinal);

    private TensorFlowJsModel()
    {
    }

    /// <exception cref="InvalidDataException">The manifest and the shards do not fit together.</exception>
    public static TensorFlowJsModel Read(string folder)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "model.json")));
        var model = new TensorFlowJsModel();
        foreach (var group in document.RootElement.GetProperty("weightsManifest").EnumerateArray())
        {
            byte[] bytes = [.. group.GetProperty("paths").EnumerateArray().SelectMany(path => File.ReadAllBytes(Path.Combine(folder, Path.GetFileName(path.GetString() ?? ""))))];
            int start = 0;
            foreach (var entry in group.GetProperty("weights").EnumerateArray())
                start += model.Add(entry, bytes.AsMemory(start));
            if (start != bytes.Length)
                throw new InvalidDataException($"The shards have {bytes.Length} bytes, their tensors {start}.");
        }
        return model;
    }

    /// <summary>The only tensor whose name ends as given, as Float32.</summary>
    /// <param name="ending">End of the name, which is long.</param>
    /// <param name="shape">The shape to give it; the numbers stay in their order.</param>
    /// <returns>Owned by the caller's scope.</returns>
    /// <exception cref="InvalidDataException">There is none, or more than one.</exception>
    public Tensor Take(string ending, params long[] shape)
    {
        string[] names = [.. tensors.Keys.Where(name => name.EndsWith(ending, StringComparison.Ordinal))];
        if (names.Length != 1)
            throw new InvalidDataException($"{names.Length} tensors have names that end in '{ending}'.");
        var (stored, bytes) = tensors[names[0]];
        if (stored.Aggregate(1L, (a, b) => a * b) != shape.Aggregate(1L, (a, b) => a * b))
            throw new InvalidDataException($"'{names[0]}' has shape [{string.Join(", ", stored)}], expected the numbers of [{string.Join(", ", shape)}].");
        return tensor(MemoryMarshal.Cast<byte, float>(bytes.Span).ToArray()).view(shape);
    }

    private int Add(JsonElement entry, ReadOnlyMemory<byte> rest)
    {
        string name = entry.GetProperty("name").GetString() ?? "", type = entry.GetProperty("dtype").GetString() ?? "";
        if (type is not ("float32" or "int32") || entry.TryGetProperty("quantization", out _))
            throw new InvalidDataException($"'{name}' is of type {type} or quantized; float32 and int32 are read.");
        long[] shape = [.. entry.GetProperty("shape").EnumerateArray().Select(extent => extent.GetInt64())];
        long bytes = shape.Aggregate((long)ElementBytes, (a, b) => checked(a * b));
        if (bytes < 0 || bytes > rest.Length)
            throw new InvalidDataException($"'{name}' needs {bytes} bytes; the shards have {rest.Length} left.");
        if (type == "float32")
            tensors.Add(name, (shape, rest[..(int)bytes]));
        return (int)bytes;
    }
}
