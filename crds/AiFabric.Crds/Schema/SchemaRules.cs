using System.Reflection;
using System.Text.Json.Nodes;
using AiFabric.Crds.Abstractions;

namespace AiFabric.Crds.Schema;

/// <summary>What attributes add to a schema: bounds, defaults, list kinds and CEL rules.</summary>
internal static class SchemaRules
{
    public static void AddBounds(JsonObject schema, PropertyInfo property)
    {
        if (property.GetCustomAttribute<DefaultAttribute>() is { } value)
            schema["default"] = DefaultOf(value.Value, schema, property);
        if (property.GetCustomAttribute<RangeMinimumAttribute>() is { } minimum)
            schema["minimum"] = Number(minimum.Minimum, schema, property);
        if (property.GetCustomAttribute<RangeMaximumAttribute>() is { } maximum)
            schema["maximum"] = Number(maximum.Maximum, schema, property);
        if (property.GetCustomAttribute<LengthAttribute>() is { } length)
        {
            Expect("string", schema, property, "[Length]");
            schema["minLength"] = length.MinLength;
            schema["maxLength"] = length.MaxLength;
        }
        if (property.GetCustomAttribute<PatternAttribute>() is { } pattern)
        {
            Expect("string", schema, property, "[Pattern]");
            schema["pattern"] = pattern.RegexPattern;
        }
        if (property.GetCustomAttribute<ItemsAttribute>() is { } items)
        {
            Expect("array", schema, property, "[Items]");
            schema["minItems"] = items.MinItems;
            schema["maxItems"] = items.MaxItems;
        }
        if (property.GetCustomAttribute<ListMapKeysAttribute>() is { } keys)
            AddMapKeys(schema, property, keys.Keys);
    }

    public static void AddValidations(JsonObject schema, MemberInfo member)
    {
        ValidationRuleAttribute[] rules = [.. member.GetCustomAttributes<ValidationRuleAttribute>()];
        if (rules.Length == 0)
            return;
        // A property's rules come after those of its type.
        if (schema["x-kubernetes-validations"] is not JsonArray list)
            schema["x-kubernetes-validations"] = list = [];
        foreach (ValidationRuleAttribute rule in rules)
            list.Add(new JsonObject { ["rule"] = rule.Rule, ["message"] = rule.Message });
    }

    private static void AddMapKeys(JsonObject schema, PropertyInfo property, IReadOnlyList<string> keys)
    {
        Expect("array", schema, property, "[ListMapKeys]");
        string[] required = [.. (schema["items"]?["required"] as JsonArray ?? []).Select(name => name!.GetValue<string>())]; // Names, never null.
        foreach (string key in keys)
        {
            if (!required.Contains(key) && schema["items"]?["properties"]?[key]?["default"] is null)
                throw new CrdException($"{Name(property)}: the map key '{key}' must be a required property of the items, or have a default.");
        }
        schema["x-kubernetes-list-type"] = "map";
        schema["x-kubernetes-list-map-keys"] = new JsonArray([.. keys.Select(key => (JsonNode)key)]);
    }

    private static JsonNode DefaultOf(object value, JsonObject schema, PropertyInfo property)
    {
        string? type = schema["type"]?.GetValue<string>();
        JsonNode? node = (type, value) switch
        {
            ("boolean", bool b) => b,
            ("integer", int i) => i,
            ("integer", long l) => l,
            ("string", string s) => s,
            ("string", Enum e) => e.ToString(),
            _ => null,
        };
        if (node is null)
            throw new CrdException($"{Name(property)}: the default {value} ({value.GetType().Name}) is no {type}.");
        if (schema["enum"] is JsonArray names && !names.Any(name => JsonNode.DeepEquals(name, node)))
            throw new CrdException($"{Name(property)}: the default {value} is none of {names.ToJsonString()}.");
        return node;
    }

    private static JsonNode Number(double bound, JsonObject schema, PropertyInfo property)
    {
        Expect("integer", schema, property, "a range");
        // Beyond 2^53 a double has gaps, and the bound in the schema would not be the one in the source.
        return Math.Abs(bound) <= 9_007_199_254_740_992 && double.IsInteger(bound)
            ? (long)bound
            : throw new CrdException($"{Name(property)}: the bound {bound} is no whole number up to 2^53.");
    }

    private static void Expect(string type, JsonObject schema, PropertyInfo property, string attribute)
    {
        if (schema["type"]?.GetValue<string>() != type)
            throw new CrdException($"{Name(property)}: {attribute} is for type {type}, not {schema["type"]}.");
    }

    private static string Name(PropertyInfo property) => $"{property.DeclaringType?.Name}.{property.Name}";
}
