using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text.Json;

namespace AiFabric.Engine.Weights;

/// <summary>The checked table of contents of a safetensors file.</summary>
/// <remarks>
/// Source: the safetensors format (8 bytes little-endian header length, JSON header, then the data without gaps). Every claim of the
/// header is held against the file's real length before any tensor is touched.
/// </remarks>
internal sealed record SafetensorsHeader(FrozenDictionary<string, TensorEntry> Tensors, FrozenDictionary<string, string> Metadata)
{
    public const int LengthBytes = 8;
    public const long MaximumBytes = 100_000_000; // The reference implementation's bound.
    private const string MetadataKey = "__metadata__";

    /// <summary>Reads the header's length and checks it against the file.</summary>
    /// <exception cref="CheckpointException">The file is too short, or the length does not fit it.</exception>
    public static int ReadLength(string file, ReadOnlySpan<byte> start, long fileBytes)
    {
        if (start.Length < LengthBytes)
            throw new CheckpointException($"{file}: {fileBytes} bytes are too few for a safetensors file: it is truncated or of another format.");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (length > MaximumBytes)
            throw new CheckpointException($"{file}: the header claims {length} bytes, above the limit of {MaximumBytes}: not a safetensors file.");
        if ((long)length > fileBytes - LengthBytes)
            throw new CheckpointException($"{file}: the header claims {length} bytes but only {fileBytes - LengthBytes} follow: the file is truncated.");
        return (int)length;
    }

    /// <summary>Parses and checks the JSON header.</summary>
    /// <exception cref="CheckpointException">The header lies about the file or is malformed.</exception>
    public static SafetensorsHeader Parse(string file, ReadOnlyMemory<byte> json, long fileBytes)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new CheckpointException($"{file}: the header is JSON but no object.");
            var tensors = new List<TensorEntry>();
            var metadata = new Dictionary<string, string>();
            long dataStart = LengthBytes + json.Length;
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (property.Name == MetadataKey)
                    metadata = ReadMetadata(file, property.Value);
                else
                    tensors.Add(ReadEntry(file, property, dataStart, fileBytes));
            }
            RequireContiguous(file, tensors, dataStart, fileBytes);
            return new SafetensorsHeader(tensors.ToFrozenDictionary(t => t.Name), metadata.ToFrozenDictionary());
        }
        // A name or string that is no Unicode text is found only when it is read.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new CheckpointException($"{file}: the header is not valid JSON: {e.Message}", e);
        }
    }

    private static Dictionary<string, string> ReadMetadata(string file, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object || value.EnumerateObject().Any(p => p.Value.ValueKind != JsonValueKind.String))
            throw new CheckpointException($"{file}: {MetadataKey} must map names to strings.");
        return value.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetString() ?? "");
    }

    private static TensorEntry ReadEntry(string file, JsonProperty property, long dataStart, long fileBytes)
    {
        string where = $"{file}: tensor '{property.Name}'";
        if (property.Value.ValueKind != JsonValueKind.Object
            || !property.Value.TryGetProperty("dtype", out var dtype) || dtype.ValueKind != JsonValueKind.String
            || !property.Value.TryGetProperty("shape", out var shape) || !TryReadNumbers(shape, out var extents)
            || !property.Value.TryGetProperty("data_offsets", out var offsets) || !TryReadNumbers(offsets, out var range) || range.Length != 2)
        {
            throw new CheckpointException($"{where} needs dtype (a string), shape (a list of sizes) and data_offsets (two numbers).");
        }
        if (!TensorTypes.TryParse(dtype.GetString() ?? "", out var type, out int elementBytes))
            throw new CheckpointException($"{where} has dtype {dtype}, which is not supported: F32, BF16, F16, F64, I64 and I32 are.");
        if (range[0] > range[1] || range[1] > fileBytes - dataStart)
        {
            throw new CheckpointException(
                $"{where} claims bytes {range[0]} to {range[1]} of the data, which holds {fileBytes - dataStart}: the file is truncated or the header lies.");
        }
        long claimed = range[1] - range[0];
        if (ByteCount(extents, elementBytes) is not { } needed || needed != claimed)
            throw new CheckpointException($"{where} of shape [{string.Join(", ", extents)}] {dtype} does not fit its {claimed} bytes.");
        return new TensorEntry(property.Name, type, extents, dataStart + range[0], claimed);
    }

    private static bool TryReadNumbers(JsonElement list, out ImmutableArray<long> numbers)
    {
        numbers = [];
        if (list.ValueKind != JsonValueKind.Array)
            return false;
        var builder = ImmutableArray.CreateBuilder<long>(list.GetArrayLength());
        foreach (var item in list.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt64(out long number) || number < 0)
                return false;
            builder.Add(number);
        }
        numbers = builder.MoveToImmutable();
        return true;
    }

    private static long? ByteCount(ImmutableArray<long> extents, int elementBytes)
    {
        // Strides of an empty tensor count its other extents, so these must not overflow either.
        Int128 count = elementBytes;
        foreach (long extent in extents)
        {
            count *= Math.Max(extent, 1);
            if (count > long.MaxValue)
                return null;
        }
        return extents.Contains(0) ? 0 : (long)count;
    }

    private static void RequireContiguous(string file, List<TensorEntry> tensors, long dataStart, long fileBytes)
    {
        long end = dataStart;
        foreach (var tensor in tensors.OrderBy(t => t.Offset).ThenBy(t => t.Bytes))
        {
            if (tensor.Offset < end)
                throw new CheckpointException($"{file}: tensor '{tensor.Name}' overlaps the one before it.");
            if (tensor.Offset > end)
                throw new CheckpointException($"{file}: {tensor.Offset - end} bytes before tensor '{tensor.Name}' belong to no tensor.");
            end = tensor.Offset + tensor.Bytes;
        }
        if (end != fileBytes)
            throw new CheckpointException($"{file}: {fileBytes - end} bytes after the last tensor belong to no tensor.");
    }
}
