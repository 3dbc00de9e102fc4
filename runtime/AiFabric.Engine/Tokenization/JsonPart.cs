using System.Text.Json;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization;

/// <summary>A part of <c>tokenizer.json</c> that knows where it stands, so that a refusal can name it.</summary>
/// <param name="Element">The JSON.</param>
/// <param name="At">File and path in it.</param>
internal readonly record struct JsonPart(JsonElement Element, string At)
{
    /// <summary>What <c>type</c> says.</summary>
    public string Type => Text("type");

    /// <exception cref="CheckpointException">It is no object.</exception>
    public bool Has(string name) =>
        Element.ValueKind == JsonValueKind.Object
            ? Element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null
            : throw Refuse("is no object");

    /// <exception cref="CheckpointException">There is none.</exception>
    public JsonPart Get(string name) => Has(name) ? new JsonPart(Element.GetProperty(name), $"{At}.{name}") : throw Refuse($"has no '{name}'");

    public JsonPart? Find(string name) => Has(name) ? Get(name) : null;

    /// <exception cref="CheckpointException">It is no list.</exception>
    public IReadOnlyList<JsonPart> Items(string name)
    {
        var list = Get(name);
        if (list.Element.ValueKind != JsonValueKind.Array)
            throw list.Refuse("is no list");
        return [.. list.Element.EnumerateArray().Select((item, i) => new JsonPart(item, $"{list.At}[{i}]"))];
    }

    /// <exception cref="CheckpointException">There is none, or it is no string.</exception>
    public string Text(string name) =>
        Get(name) is var value && value.Element.ValueKind == JsonValueKind.String ? value.Element.GetString() ?? "" : throw value.Refuse("is no string");

    public string Text(string name, string absent) => Has(name) ? Text(name) : absent;

    public bool Flag(string name, bool absent) => Find(name) is not { } value
        ? absent
        : value.Element.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.Element.GetBoolean() : throw value.Refuse("is no boolean");

    public int Integer(string name, int absent) => Find(name) is not { } value
        ? absent
        : value.Element.ValueKind == JsonValueKind.Number && value.Element.TryGetInt32(out int number) ? number : throw value.Refuse("is no integer");

    /// <summary>A character, written as a string of one.</summary>
    public char Character(string name, char absent) => Text(name, absent.ToString()) is [var character] ? character : throw Get(name).Refuse("is not one character");

    /// <summary>Holds the fields against those that are read, so that none is ignored.</summary>
    /// <exception cref="CheckpointException">There is another.</exception>
    public void Only(params ReadOnlySpan<string> names)
    {
        foreach (var field in Element.EnumerateObject())
        {
            if (field.Name != "type" && !names.Contains(field.Name))
                throw Refuse($"has the field '{field.Name}', which is not supported");
        }
    }

    public CheckpointException Refuse(string problem) => new($"{At}: {problem}.");
}
