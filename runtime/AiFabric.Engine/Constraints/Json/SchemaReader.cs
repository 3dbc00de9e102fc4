using System.Text.Json;

namespace AiFabric.Engine.Constraints.Json;

/// <summary>Reads one schema. Objects, arrays and alternatives become rules, so that nothing is copied into both of an object's tracks.</summary>
/// <param name="schema">The whole schema.</param>
/// <param name="name">Tells its rules from those of others.</param>
/// <param name="rules">Receives the rules.</param>
internal sealed class SchemaReader(JsonElement schema, string name, IDictionary<string, Pattern> rules)
{
    private static readonly string[] Types = ["object", "array", "string", "number", "integer", "boolean", "null"];

    private readonly References references = new(schema);
    private readonly Queue<string> pending = new();
    private readonly HashSet<string> referred = [];

    public Pattern Read()
    {
        var root = Read(new SchemaNode(schema, ""));
        while (pending.TryDequeue(out string? pointer))
            rules[RuleOf(pointer)] = Read(references.Find(pointer, pointer));
        return root;
    }

    private string RuleOf(string place) => $"{name} {place}".Trim();

    private Pattern Read(SchemaNode node)
    {
        node.Check();
        if (!node.Keywords.Any())
            return Pattern.Rule(JsonText.AnyRule());
        if (node.Text("$ref") is { } pointer)
        {
            node.RequireAlone("$ref");
            references.Find(pointer, node.PathOf("$ref"));
            if (referred.Add(pointer))
                pending.Enqueue(pointer);
            return Pattern.Rule(RuleOf(pointer));
        }
        if (node.Has("const") || node.Has("enum"))
            return OfConstants(node);
        if (AlternativesOf(node) is { } alternatives)
            return Pattern.Choice([.. alternatives.Select(Read)]);
        return Pattern.Choice([.. TypesOf(node).Select(type => OfType(node, type))]);
    }

    // A part of an object or an array.
    private Pattern ReadPart(SchemaNode node)
    {
        var pattern = Read(node);
        if (pattern is Pattern.Call or Pattern.Literal || ReferenceEquals(pattern, JsonText.Boolean))
            return pattern;
        string rule = RuleOf(node.Path);
        // Names with dots can make two paths read alike.
        while (!rules.TryAdd(rule, pattern))
            rule += "'";
        return Pattern.Rule(rule);
    }

    private static Pattern OfConstants(SchemaNode node)
    {
        string keyword = node.Has("const") ? "const" : "enum";
        node.RequireAlone(keyword, "type");
        string[]? types = node.Has("type") ? TypesOf(node) : null;
        IReadOnlyList<JsonElement> values = node.Get("const") is { } constant ? [constant] : node.List("enum") ?? [];
        Pattern[] allowed = [.. values.Where(v => types is null || types.Any(type => IsOfType(v, type))).Select(JsonText.Constant)];
        return allowed.Length > 0 ? Pattern.Choice(allowed) : throw node.Error(keyword, "has no value of the type.");
    }

    private static bool IsOfType(JsonElement value, string type) => type switch
    {
        "object" => value.ValueKind == JsonValueKind.Object,
        "array" => value.ValueKind == JsonValueKind.Array,
        "string" => value.ValueKind == JsonValueKind.String,
        "number" => value.ValueKind == JsonValueKind.Number,
        "integer" => value.ValueKind == JsonValueKind.Number && (value.TryGetInt64(out _) || (value.TryGetDecimal(out decimal number) && decimal.IsInteger(number))),
        "boolean" => value.ValueKind is JsonValueKind.True or JsonValueKind.False,
        _ => value.ValueKind == JsonValueKind.Null,
    };

    private IReadOnlyList<SchemaNode>? AlternativesOf(SchemaNode node)
    {
        if (node.Keywords.FirstOrDefault(k => k is "anyOf" or "oneOf" or "allOf") is not { } keyword || node.Schemas(keyword) is not { } alternatives)
            return null;
        node.RequireAlone(keyword);
        if (keyword == "allOf" && alternatives.Count > 1)
            throw node.Error(keyword, "has more than one schema, which is not supported; write them as one.");
        for (int i = 0; i < alternatives.Count && keyword == "oneOf"; i++)
        {
            for (int j = 0; j < i; j++)
            {
                if (!references.Exclude(alternatives[i], alternatives[j]))
                    throw node.Error(keyword, $"has alternatives {j} and {i} that may allow the same value; give them different types, or a required property with different constants, or write 'anyOf'.");
            }
        }
        return alternatives;
    }

    internal static string[] TypesOf(SchemaNode node)
    {
        string[] types = node.Get("type") switch
        {
            null => [Implied(node)],
            { ValueKind: JsonValueKind.String } one => [one.GetString() ?? ""],
            { ValueKind: JsonValueKind.Array } some => [.. some.EnumerateArray().Select(t => t.ValueKind == JsonValueKind.String ? t.GetString() ?? "" : t.GetRawText()).Distinct()],
            _ => throw node.Error("type", "must be a string or a list of strings."),
        };
        if (types.Length == 0)
            throw node.Error("type", "must not be empty.");
        return types.FirstOrDefault(t => !Types.Contains(t)) is { } wrong
            ? throw node.Error("type", $"is '{wrong}'; it must be one of: {string.Join(", ", Types)}.")
            : types.Contains("number") ? [.. types.Where(t => t != "integer")] : types;
    }

    // Keywords speak of one type only, so that values of others would be allowed too; nobody means that.
    private static string Implied(SchemaNode node) => node.Keywords.First() switch
    {
        "properties" or "required" or "additionalProperties" => "object",
        "items" or "prefixItems" or "minItems" or "maxItems" or "uniqueItems" => "array",
        "minLength" or "maxLength" or "pattern" or "format" => "string",
        _ => "number",
    };

    private Pattern OfType(SchemaNode node, string type) => type switch
    {
        "object" => OfObject(node),
        "array" => OfArray(node),
        "string" => Strings.Read(node),
        "number" or "integer" => Numbers.Read(node, whole: type == "integer"),
        "boolean" => JsonText.Boolean,
        _ => JsonText.Null,
    };

    private Pattern OfObject(SchemaNode node)
    {
        var properties = node.Get("properties") is { } found
            ? found.ValueKind == JsonValueKind.Object ? found.EnumerateObject().ToList() : throw node.Error("properties", "must be an object.")
            : [];
        List<string> required = [.. (node.List("required") ?? []).Select(r => r.ValueKind == JsonValueKind.String ? r.GetString() ?? "" : throw node.Error("required", "must be a list of strings."))];
        List<(Pattern, bool)> members = [];
        foreach (var property in properties.DistinctBy(p => p.Name))
        {
            var value = ReadPart(node.At($"properties.{property.Name}", property.Value));
            members.Add((JsonText.Member(JsonText.Key(property.Name), value), !required.Contains(property.Name)));
        }
        var others = OtherMembers(node);
        foreach (string missing in required.Except(properties.Select(p => p.Name)))
        {
            var value = node.Has("additionalProperties") ? others : Pattern.Rule(JsonText.AnyRule());
            members.Add((JsonText.Member(JsonText.Key(missing), value ?? throw node.Error("required", $"names '{missing}', which 'properties' does not have and 'additionalProperties' forbids.")), false));
        }
        var extra = others is null ? null : JsonText.Member(JsonText.KeyOtherThan(properties.Select(p => p.Name).Concat(required)), others);
        return JsonText.Object(members, extra);
    }

    // What members may be that the schema does not name; null where there may be none.
    private Pattern? OtherMembers(SchemaNode node) => node.Get("additionalProperties") switch
    {
        null or { ValueKind: JsonValueKind.False } => null,
        { } others => ReadPart(node.At("additionalProperties", others)),
    };

    private Pattern OfArray(SchemaNode node)
    {
        if (node.Get("uniqueItems") is { } unique && unique.ValueKind != JsonValueKind.False)
            throw node.Error("uniqueItems", "is not supported; leave it out.");
        int min = node.Count("minItems") ?? 0;
        int? max = node.Count("maxItems");
        bool open = node.Get("items") is not { ValueKind: JsonValueKind.False };
        IReadOnlyList<Pattern> first = [.. (node.List("prefixItems") is null ? [] : node.Schemas("prefixItems") ?? []).Select(ReadPart)];
        if (!open)
            max = Math.Min(max ?? int.MaxValue, first.Count);
        if (max < min)
            throw node.Error("minItems", "is above what 'maxItems' or 'items' allow.");
        var item = !open ? null : node.Get("items") is { } items ? ReadPart(node.At("items", items)) : Pattern.Rule(JsonText.AnyRule());
        if (first.Count == 0)
            return JsonText.Array(item ?? Pattern.Empty, min, item is null ? 0 : max);
        return Pattern.Sequence(Pattern.Text("["), Places(first, item, 0, min, max), Pattern.Text("]"));
    }

    // Items from a place on: each of the first has a schema of its own, the others share one.
    private static Pattern Places(IReadOnlyList<Pattern> first, Pattern? item, int at, int min, int? max)
    {
        if (at >= max)
            return Pattern.Empty;
        if (at >= first.Count)
            return item is null ? Pattern.Empty : Pattern.Repeat(Pattern.Sequence(JsonText.Comma, item), Math.Max(min - at, 0), max - at);
        var here = Pattern.Sequence(at == 0 ? Pattern.Empty : JsonText.Comma, first[at], Places(first, item, at + 1, min, max));
        return at < min ? here : Pattern.Optional(here);
    }
}
