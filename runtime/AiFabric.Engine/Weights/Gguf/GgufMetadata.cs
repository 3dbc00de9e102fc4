using System.Buffers.Binary;
using System.Text;

namespace AiFabric.Engine.Weights.Gguf;

/// <summary>The types of metadata values, by their numbers in the file.</summary>
internal enum GgufValueType : uint
{
    UInt8 = 0,
    Int8 = 1,
    UInt16 = 2,
    Int16 = 3,
    UInt32 = 4,
    Int32 = 5,
    Float32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    UInt64 = 10,
    Int64 = 11,
    Float64 = 12,
}

/// <summary>Where a metadata value lies: long lists, such as vocabularies, are decoded only when they are asked for.</summary>
/// <param name="Type">Of the value or, of a list, of its elements.</param>
/// <param name="Offset">First byte of the value or of the first element.</param>
/// <param name="Count">Elements of a list; null for a single value.</param>
internal readonly record struct GgufValue(GgufValueType Type, long Offset, long? Count);

/// <summary>The metadata of a GGUF file. Values of another type than asked for are refused with their key.</summary>
internal sealed class GgufMetadata(string path, IReadOnlyDictionary<string, GgufValue> values, Func<long, GgufCursor> at)
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public IEnumerable<string> Keys => values.Keys;

    /// <summary>Bytes of a value of fixed size; 0 for the others.</summary>
    public static int Size(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        GgufValueType.UInt64 or GgufValueType.Int64 or GgufValueType.Float64 => 8,
        _ => 0,
    };

    public string Text(string key) => TextOrNull(key) ?? throw Missing(key);

    public string? TextOrNull(string key) => Single(key) is not { } value
        ? null
        : value.Type == GgufValueType.String ? Decode(key, at(value.Offset).Text()) : throw Wrong(key, "a string");

    public long Integer(string key) => IntegerOrNull(key) ?? throw Missing(key);

    public long? IntegerOrNull(string key) => Single(key) is { } value ? Integer(key, value.Type, at(value.Offset)) : null;

    public double? NumberOrNull(string key)
    {
        if (Single(key) is not { } value)
            return null;
        var cursor = at(value.Offset);
        return value.Type switch
        {
            GgufValueType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(cursor.Take(sizeof(float))),
            GgufValueType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(cursor.Take(sizeof(double))),
            _ => throw Wrong(key, "a floating-point number"),
        };
    }

    public bool? FlagOrNull(string key) => Single(key) is not { } value
        ? null
        : value.Type == GgufValueType.Bool ? at(value.Offset).Take(1)[0] != 0 : throw Wrong(key, "a boolean");

    /// <summary>A list of strings; null when there is none.</summary>
    public string[]? TextsOrNull(string key)
    {
        if (List(key, GgufValueType.String, "a list of strings") is not { } list)
            return null;
        var cursor = at(list.Offset);
        var texts = new string[list.Count!.Value]; // a list has a count
        for (int i = 0; i < texts.Length; i++)
            texts[i] = Decode(key, cursor.Text());
        return texts;
    }

    /// <summary>A list of Int32; null when there is none.</summary>
    public int[]? IntegersOrNull(string key)
    {
        if (List(key, GgufValueType.Int32, "a list of int32") is not { } list)
            return null;
        var cursor = at(list.Offset);
        var numbers = new int[list.Count!.Value]; // a list has a count
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = (int)cursor.UInt32();
        return numbers;
    }

    /// <summary>A list of Float32; null when there is none.</summary>
    public float[]? NumbersOrNull(string key)
    {
        if (List(key, GgufValueType.Float32, "a list of float32") is not { } list)
            return null;
        var cursor = at(list.Offset);
        var numbers = new float[list.Count!.Value]; // a list has a count
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = BitConverter.UInt32BitsToSingle(cursor.UInt32());
        return numbers;
    }

    public CheckpointException Refuse(string problem) => new($"{path}: {problem}.");

    private long Integer(string key, GgufValueType type, GgufCursor cursor) => type switch
    {
        GgufValueType.UInt8 => cursor.Take(1)[0],
        GgufValueType.Int8 => (sbyte)cursor.Take(1)[0],
        GgufValueType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(cursor.Take(sizeof(ushort))),
        GgufValueType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(cursor.Take(sizeof(short))),
        GgufValueType.UInt32 => cursor.UInt32(),
        GgufValueType.Int32 => (int)cursor.UInt32(),
        GgufValueType.UInt64 or GgufValueType.Int64 when cursor.UInt64() is <= long.MaxValue and var number => (long)number,
        _ => throw Wrong(key, "an integer"),
    };

    private GgufValue? Single(string key) => Find(key) switch
    {
        null => null,
        { Count: null } value => value,
        _ => throw Wrong(key, "a single value"),
    };

    private GgufValue? List(string key, GgufValueType type, string what) => Find(key) switch
    {
        null => null,
        { Count: <= int.MaxValue } value when value.Type == type => value,
        _ => throw Wrong(key, what),
    };

    private GgufValue? Find(string key) => values.TryGetValue(key, out var value) ? value : null;

    private string Decode(string key, ReadOnlySpan<byte> bytes)
    {
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new CheckpointException($"{path}: the metadata value '{key}' is not valid UTF-8.", e);
        }
    }

    private CheckpointException Missing(string key) => Refuse($"the metadata value '{key}' is missing");

    private CheckpointException Wrong(string key, string expected) => Refuse($"the metadata value '{key}' is not {expected}");
}
