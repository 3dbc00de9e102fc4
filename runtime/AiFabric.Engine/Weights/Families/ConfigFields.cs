using System.Text.Json;

namespace AiFabric.Engine.Weights.Families;

/// <summary>The fields of a <c>config.json</c>. A null counts as absent, as Hugging Face reads it, unless a method says otherwise.</summary>
/// <param name="Root">The object.</param>
/// <param name="File">The name that error messages give the file.</param>
/// <param name="Prefix">What error messages put before a field's name, for objects inside of the file.</param>
internal readonly record struct ConfigFields(JsonElement Root, string File, string Prefix = "")
{
    /// <summary>No model comes near this; a file that claims more would have memory reserved for it before its weights show the lie.</summary>
    public const int Most = 1 << 24;

    /// <summary>Reads a file.</summary>
    /// <exception cref="CheckpointException">It is missing or no JSON. That it is no object is said by whoever asks for a field.</exception>
    public static ConfigFields Load(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(System.IO.File.ReadAllBytes(path));
            return new ConfigFields(document.RootElement.Clone(), path);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    public CheckpointException Error(string problem) => new($"{File}: {problem}.");

    /// <summary>Whether the field is there, be it null.</summary>
    public bool Has(string name) => Top.TryGetProperty(name, out _);

    /// <summary>The raw value; null where it is absent.</summary>
    public JsonElement? Get(string name) => Top.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    /// <summary>The object under a name; null where it is absent.</summary>
    public ConfigFields? Object(string name) => Get(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } value => new ConfigFields(value, File, $"{Prefix}{name}."),
        { } value => throw Wrong(name, value, "an object"),
    };

    /// <summary>A field that must have one value or be absent, because the engine does nothing else.</summary>
    public void RefuseUnless(string name, string only, string reason)
    {
        if (Get(name) is { } value && value.ToString() != only)
            throw Error($"{Prefix}{name} is {Shorten(value.GetRawText())}: {reason}");
    }

    /// <summary>A field that must have the one value that the family has, or be absent.</summary>
    public void RequireOnly(string name, string only) => RefuseUnless(name, only, $"only '{only}' is supported");

    /// <summary>A field that must be absent, because the engine does not do what it asks for.</summary>
    public void RefuseIfPresent(string name, string reason)
    {
        if (Get(name) is { } value)
            throw Error($"{Prefix}{name} is {Shorten(value.GetRawText())}: {reason}");
    }

    public string Text(string name, string absent) => Get(name) switch
    {
        null => absent,
        { ValueKind: JsonValueKind.String } value => value.GetString()!,
        { } value => throw Wrong(name, value, "a string"),
    };

    public int Size(string name, int? absent = null)
    {
        if (Get(name) is not { } value)
            return absent ?? throw Error($"{Prefix}{name} is missing");
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int size) && size is > 0 and <= Most
            ? size
            : throw Wrong(name, value, $"a positive integer up to {Most}");
    }

    public double Positive(string name, double? absent = null)
    {
        if (Get(name) is not { } value)
            return absent ?? throw Error($"{Prefix}{name} is missing");
        return Number(name, value);
    }

    public double Fraction(string name) => Positive(name) is < 1 and var number ? number : throw Wrong(name, Root.GetProperty(name), "a number between 0 and 1");

    /// <summary>A positive number; null where the file says null.</summary>
    /// <param name="name">Name of the field.</param>
    /// <param name="absent">What a file that does not have the field means.</param>
    public double? PositiveOrNull(string name, double? absent) => Get(name) is { } value ? Number(name, value) : Has(name) ? null : absent;

    public bool Flag(string name, bool absent = false) => Get(name) switch
    {
        null => absent,
        { ValueKind: JsonValueKind.False } => false,
        { ValueKind: JsonValueKind.True } => true,
        { } value => throw Wrong(name, value, "true or false"),
    };

    /// <summary>Token ids: a list or a single one.</summary>
    public IReadOnlyList<int> Ids(string name)
    {
        var fields = this;
        return Get(name) switch
        {
            null => [],
            { ValueKind: JsonValueKind.Array } list => [.. list.EnumerateArray().Select(item => fields.Id(name, item))],
            { } single => [Id(name, single)],
        };
    }

    /// <summary>One value for each layer; null where the field is absent.</summary>
    public JsonElement[]? PerLayer(string name, int layers)
    {
        if (Get(name) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == layers
            ? [.. value.EnumerateArray()]
            : throw Wrong(name, value, $"a list with an entry for each of the {layers} layers");
    }

    public CheckpointException Wrong(string name, JsonElement value, string must) => Error($"{Prefix}{name} is {Shorten(value.GetRawText())}; it must be {must}");

    private JsonElement Top => Root.ValueKind == JsonValueKind.Object ? Root : throw Error("the top level is not an object");

    private double Number(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.GetDouble() is > 0 and < double.PositiveInfinity and var number ? number : throw Wrong(name, value, "a positive number");

    private int Id(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int id) && id >= 0 ? id : throw Wrong(name, value, "a token id");

    private static string Shorten(string text) => text.Length <= 200 ? text : text[..200] + "…";
}
