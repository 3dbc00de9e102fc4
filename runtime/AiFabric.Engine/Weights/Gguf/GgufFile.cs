using System.Collections.Immutable;
using System.Text;
using AiFabric.Engine.Interop;

namespace AiFabric.Engine.Weights.Gguf;

/// <summary>Where one tensor lies in a GGUF file.</summary>
/// <param name="Name">llama.cpp's name, for example <c>token_embd.weight</c>.</param>
/// <param name="Format">How its numbers are stored.</param>
/// <param name="Shape">Row-major extents, the last one along a row; the file itself lists them the other way round.</param>
/// <param name="Offset">First byte, counted from the start of the file.</param>
/// <param name="Bytes">Length in bytes.</param>
internal sealed record GgufEntry(string Name, GgufFormat Format, ImmutableArray<long> Shape, long Offset, long Bytes);

/// <summary>A GGUF file, version 2 or 3, memory-mapped: opening reads only the header, tensors are paged in when they are used.</summary>
/// <remarks>Source: ggml, docs/gguf.md. Every claim of the header is held against the file's real length before memory is reserved for it.</remarks>
internal sealed class GgufFile : IDisposable
{
    public const string Extension = ".gguf";

    private const uint Magic = 0x46554747; // "GGUF"
    private const int MostDimensions = 4;
    private const int MostAlignment = 1 << 16;
    private const int DefaultAlignment = 32;

    private readonly MappedFile map;

    private GgufFile(string path, MappedFile map)
    {
        (Path, this.map) = (path, map);
        var cursor = At(0);
        (long tensors, long values) = ReadCounts(cursor);
        Metadata = new GgufMetadata(path, ReadMetadata(cursor, values), At);
        Tensors = ReadTensors(cursor, tensors);
    }

    public string Path { get; }

    public GgufMetadata Metadata { get; }

    /// <summary>The tensors by llama.cpp's names.</summary>
    public IReadOnlyDictionary<string, GgufEntry> Tensors { get; }

    /// <summary>Maps a file and checks its header against its length.</summary>
    /// <exception cref="CheckpointException">The file is missing, unreadable, truncated, of an unsupported kind, or its header lies; the message says which.</exception>
    public static GgufFile Open(string path)
    {
        MappedFile? map = null;
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            map = new MappedFile(stream);
            return new GgufFile(path, map);
        }
        catch (Exception e)
        {
            map?.Dispose();
            if (e is IOException or UnauthorizedAccessException)
                throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
            throw;
        }
    }

    /// <summary>A part of a tensor's bytes, valid until this file is disposed.</summary>
    public ReadOnlySpan<byte> Bytes(GgufEntry entry, long from, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, entry.Bytes - from);
        return map.Bytes(entry.Offset + from, count);
    }

    /// <summary>Lets a tensor's pages go; they come back when they are read again.</summary>
    public void Release(GgufEntry entry) => map.Release(entry.Offset, entry.Bytes);

    public void Dispose() => map.Dispose();

    private GgufCursor At(long position) => new(map, Path) { Position = position };

    private static (long Tensors, long Values) ReadCounts(GgufCursor cursor)
    {
        if (cursor.UInt32() != Magic)
            throw cursor.Refuse("does not begin with 'GGUF': it is of another format");
        uint version = cursor.UInt32();
        if (version is not (2 or 3))
            throw cursor.Refuse((version & 0xFFFF) == 0 ? "is a big-endian file; little-endian ones are supported" : $"is of version {version}; 2 and 3 are supported");
        // A tensor takes 24 bytes besides name and extents, a value 13 besides its key.
        return (cursor.Count("the number of tensors", 24, int.MaxValue), cursor.Count("the number of metadata values", 13, int.MaxValue));
    }

    private static Dictionary<string, GgufValue> ReadMetadata(GgufCursor cursor, long count)
    {
        var values = new Dictionary<string, GgufValue>(StringComparer.Ordinal);
        for (long i = 0; i < count; i++)
        {
            string key = Encoding.UTF8.GetString(cursor.Text());
            if (!values.TryAdd(key, ReadValue(cursor, key)))
                throw cursor.Refuse($"the metadata value '{key}' is there twice");
        }
        return values;
    }

    private static GgufValue ReadValue(GgufCursor cursor, string key)
    {
        var type = (GgufValueType)cursor.UInt32();
        bool list = type == GgufValueType.Array;
        if (list)
            type = (GgufValueType)cursor.UInt32();
        int size = GgufMetadata.Size(type);
        if (size == 0 && type != GgufValueType.String)
            throw cursor.Refuse($"the metadata value '{key}' is of type {type}, which is not supported{(list ? " in lists" : "")}");
        long count = list ? cursor.Count($"the length of the list '{key}'", size == 0 ? sizeof(ulong) : size, long.MaxValue) : 1;
        var value = new GgufValue(type, cursor.Position, list ? count : null);
        if (size > 0)
            cursor.Skip(count * size);
        for (long i = 0; size == 0 && i < count; i++)
            cursor.Text();
        return value;
    }

    private Dictionary<string, GgufEntry> ReadTensors(GgufCursor cursor, long count)
    {
        long alignment = Metadata.IntegerOrNull("general.alignment") ?? DefaultAlignment;
        if (alignment is < 1 or > MostAlignment || !long.IsPow2(alignment))
            throw cursor.Refuse($"general.alignment is {alignment}; it must be a power of two up to {MostAlignment}");
        var tensors = new Dictionary<string, GgufEntry>(StringComparer.Ordinal);
        long end = 0; // of the tensors so far, from the start of the data
        for (long i = 0; i < count; i++)
        {
            var entry = ReadTensor(cursor);
            if (entry.Offset != end)
                throw cursor.Refuse($"tensor '{entry.Name}' claims to begin at {entry.Offset} of the data, but the one before it ends at {end}");
            if (entry.Bytes > map.Length || !tensors.TryAdd(entry.Name, entry))
                throw cursor.Refuse($"tensor '{entry.Name}' is there twice, or is larger than the file");
            end = Aligned(end + entry.Bytes, alignment);
        }
        long start = Aligned(cursor.Position, alignment);
        return tensors.ToDictionary(pair => pair.Key, pair => Place(pair.Value, start), StringComparer.Ordinal);
    }

    private GgufEntry ReadTensor(GgufCursor cursor)
    {
        string name = Encoding.UTF8.GetString(cursor.Text());
        uint dimensions = cursor.UInt32();
        if (dimensions > MostDimensions)
            throw cursor.Refuse($"tensor '{name}' has {dimensions} dimensions; at most {MostDimensions} are possible");
        long[] shape = new long[dimensions];
        Int128 elements = 1;
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            ulong extent = cursor.UInt64();
            elements *= extent;
            if (extent == 0 || elements > long.MaxValue / sizeof(double))
                throw cursor.Refuse($"tensor '{name}' has an extent of {extent}: nothing, or more than there can be");
            shape[i] = (long)extent;
        }
        var format = GgufFormat.Of(cursor.UInt32(), $"{Path}: tensor '{name}'");
        long columns = shape.Length == 0 ? 1 : shape[^1];
        if (columns % format.BlockElements != 0)
            throw cursor.Refuse($"tensor '{name}' of {format.Name} has rows of {columns}, not a multiple of {format.BlockElements}");
        ulong offset = cursor.UInt64();
        if (offset > (ulong)map.Length)
            throw cursor.Refuse($"tensor '{name}' claims to begin at {offset} of the data, behind the file's end: the file is truncated or lies");
        return new GgufEntry(name, format, ImmutableArray.Create(shape), (long)offset, (long)elements / format.BlockElements * format.BlockBytes);
    }

    private GgufEntry Place(GgufEntry entry, long dataStart) => entry.Bytes <= map.Length - dataStart - entry.Offset
        ? entry with { Offset = dataStart + entry.Offset }
        : throw new CheckpointException(
            $"{Path}: tensor '{entry.Name}' claims {entry.Bytes} bytes from {dataStart + entry.Offset} on, but the file has {map.Length}: it is truncated or lies.");

    private static long Aligned(long bytes, long alignment) => (bytes + alignment - 1) & -alignment;
}
