using System.Text.Json;

namespace AiFabric.Engine.Constraints.Json;

/// <summary>Where <c>$ref</c> leads inside one schema, and which alternatives exclude each other.</summary>
/// <param name="schema">The whole schema.</param>
internal sealed class References(JsonElement schema)
{
    // Chains of references are rarely longer than one.
    private const int MaxChain = 16;

    /// <summary>The schema at a JSON pointer (RFC 6901) such as <c>#/$defs/node</c>.</summary>
    /// <exception cref="GrammarException">There is none.</exception>
    public SchemaNode Find(string pointer, string path)
    {
        if (!pointer.StartsWith('#') || (pointer.Length > 1 && pointer[1] != '/'))
            throw new GrammarException(path, $"is '{pointer}'; only references inside the schema are supported, such as '#/$defs/name'.");
        var found = schema;
        string[] names = pointer.Length == 1 ? [] : pointer[2..].Split('/');
        foreach (string name in names)
        {
            string key = Uri.UnescapeDataString(name).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            bool there = found.ValueKind == JsonValueKind.Array
                ? int.TryParse(key, out int index) && index >= 0 && index < found.GetArrayLength() && (found = found[index]).ValueKind != JsonValueKind.Undefined
                : found.ValueKind == JsonValueKind.Object && found.TryGetProperty(key, out found);
            if (!there)
                throw new GrammarException(path, $"is '{pointer}', which the schema does not have.");
        }
        return new SchemaNode(found, pointer);
    }

    /// <summary>Whether no value is allowed by both.</summary>
    public bool Exclude(SchemaNode a, SchemaNode b)
    {
        (a, b) = (Follow(a), Follow(b));
        if (a.Json.ValueKind != JsonValueKind.Object || b.Json.ValueKind != JsonValueKind.Object)
            return false;
        if (Constants(a) is { } ours && Constants(b) is { } theirs)
            return !ours.Any(x => theirs.Any(y => JsonElement.DeepEquals(x, y)));
        if (a.Has("type") && b.Has("type") && !Overlap(SchemaReader.TypesOf(a), SchemaReader.TypesOf(b)))
            return true;
        return Required(a).Intersect(Required(b)).Any(name => Property(a, name) is { } mine && Property(b, name) is { } other
            && Constants(Follow(mine)) is not null && Constants(Follow(other)) is not null && Exclude(mine, other));
    }

    private static bool Overlap(string[] ours, string[] theirs) =>
        ours.Any(type => theirs.Contains(type) || (type == "integer" && theirs.Contains("number")) || (type == "number" && theirs.Contains("integer")));

    private SchemaNode Follow(SchemaNode node)
    {
        for (int i = 0; i < MaxChain && node.Json.ValueKind == JsonValueKind.Object && node.Text("$ref") is { } pointer; i++)
            node = Find(pointer, node.PathOf("$ref"));
        return node;
    }

    private static IReadOnlyList<JsonElement>? Constants(SchemaNode node)
    {
        if (node.Json.ValueKind != JsonValueKind.Object)
            return null;
        return node.Get("const") is { } one ? [one] : node.List("enum");
    }

    private static IEnumerable<string> Required(SchemaNode node) =>
        (node.List("required") ?? []).Where(r => r.ValueKind == JsonValueKind.String).Select(r => r.GetString() ?? "");

    private static SchemaNode? Property(SchemaNode node, string name) =>
        node.Get("properties") is { ValueKind: JsonValueKind.Object } properties && properties.TryGetProperty(name, out var property)
            ? node.At($"properties.{name}", property)
            : null;
}
