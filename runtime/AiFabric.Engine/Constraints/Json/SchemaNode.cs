using System.Collections.Frozen;
using System.Text.Json;

namespace AiFabric.Engine.Constraints.Json;

/// <summary>One schema inside a schema, and where it is.</summary>
/// <param name="Json">The schema: an object or a boolean.</param>
/// <param name="Path">Such as <c>properties.age</c>; empty for the whole.</param>
internal readonly record struct SchemaNode(JsonElement Json, string Path)
{
    // They say nothing about which values are allowed.
    private static readonly FrozenSet<string> Annotations = FrozenSet.Create(
        "title", "description", "default", "example", "examples", "$schema", "$id", "$comment", "deprecated", "readOnly", "writeOnly", "discriminator", "$defs", "definitions");

    private static readonly FrozenSet<string> Supported = FrozenSet.Create(
        "type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems",
        "uniqueItems", "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf");

    /// <summary>A part of it.</summary>
    public SchemaNode At(string name, JsonElement json) => new(json, PathOf(name));

    public string PathOf(string name) => Path.Length == 0 ? name : $"{Path}.{name}";

    /// <summary>Keywords that say which values are allowed.</summary>
    public IEnumerable<string> Keywords => Json.ValueKind == JsonValueKind.Object
        ? Json.EnumerateObject().Select(p => p.Name).Where(name => !Annotations.Contains(name))
        : [];

    public bool Has(string keyword) => Json.TryGetProperty(keyword, out _);

    public JsonElement? Get(string keyword) => Json.TryGetProperty(keyword, out var value) ? value : null;

    /// <exception cref="GrammarException">It is no schema, or has a keyword that is not supported.</exception>
    public void Check()
    {
        if (Json.ValueKind is JsonValueKind.False)
            throw new GrammarException(Path, "is false, which allows nothing.");
        if (Json.ValueKind is not (JsonValueKind.Object or JsonValueKind.True))
            throw new GrammarException(Path, "is no schema: it must be an object or a boolean.");
        foreach (string keyword in Keywords)
        {
            if (!Supported.Contains(keyword))
                throw Error(keyword, "is a keyword that is not supported; leave it out.");
        }
    }

    /// <exception cref="GrammarException">Keywords stand beside one that allows none.</exception>
    public void RequireAlone(string keyword, params string[] allowed)
    {
        string node = keyword;
        if (Keywords.FirstOrDefault(k => k != node && !allowed.Contains(k)) is { } other)
            throw Error(other, $"cannot stand beside '{keyword}'; move it into the alternatives.");
    }

    /// <exception cref="GrammarException">The keyword is there and no list.</exception>
    public IReadOnlyList<JsonElement>? List(string keyword)
    {
        if (Get(keyword) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : throw Error(keyword, "must be a list.");
    }

    /// <exception cref="GrammarException">The keyword is there and no list of one schema or more.</exception>
    public IReadOnlyList<SchemaNode>? Schemas(string keyword)
    {
        var node = this;
        if (List(keyword) is not { } list)
            return null;
        return list.Count > 0 ? [.. list.Select((json, i) => node.At($"{keyword}[{i}]", json))] : throw Error(keyword, "must not be empty.");
    }

    /// <exception cref="GrammarException">The keyword is there and no whole number from 0.</exception>
    public int? Count(string keyword)
    {
        if (Get(keyword) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int count) && count >= 0 ? count : throw Error(keyword, "must be a whole number from 0.");
    }

    /// <exception cref="GrammarException">The keyword is there and no number up to 10^18.</exception>
    public decimal? Number(string keyword)
    {
        if (Get(keyword) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out decimal number) && Math.Abs(number) <= IntegerRange.Largest
            ? number
            : throw Error(keyword, "must be a number from -10^18 to 10^18.");
    }

    /// <exception cref="GrammarException">The keyword is there and no string.</exception>
    public string? Text(string keyword)
    {
        if (Get(keyword) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw Error(keyword, "must be a string.");
    }

    public GrammarException Error(string keyword, string problem) => new(PathOf(keyword), problem);
}
