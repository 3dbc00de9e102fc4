using System.Text.Json.Nodes;

namespace AiFabric.Tests.Constraints;

/// <summary>Schemas at random, of every supported keyword, some recursive.</summary>
internal sealed class RandomSchema(Random random)
{
    private static readonly string[] Names = ["a", "ab", "b", "kind", "name", "value", "é", "x y", "q\"uote", "next"];
    private static readonly string[] Formats = ["date", "ipv4", "uuid"];
    private static readonly string[] Expressions = ["^[a-z]{1,8}$", "\\d+", "^(?:yes|no)", "é|\"|\\\\", "^\\w+@\\w+$", "^[^a-z]+$"];

    public JsonObject Next()
    {
        var schema = Value(3, recursive: true);
        schema["$defs"] = new JsonObject { ["tree"] = Tree(), ["leaf"] = Scalar() };
        return schema;
    }

    private JsonObject Tree() => new()
    {
        ["type"] = "object",
        ["properties"] = new JsonObject { ["value"] = Scalar(), ["next"] = Either(new JsonObject { ["type"] = "null" }, new JsonObject { ["$ref"] = "#/$defs/tree" }) },
        ["required"] = new JsonArray("next"),
        ["additionalProperties"] = false,
    };

    private JsonObject Value(int depth, bool recursive) => random.Next(depth > 0 ? 9 : 4) switch
    {
        <= 2 => Scalar(),
        3 => recursive ? new JsonObject { ["$ref"] = random.Next(2) == 0 ? "#/$defs/tree" : "#/$defs/leaf" } : Scalar(),
        4 or 5 => Object(depth - 1),
        6 => List(depth - 1),
        7 => Either(Value(depth - 1, recursive), Value(depth - 1, recursive)),
        _ => new JsonObject { ["allOf"] = new JsonArray(Value(depth - 1, recursive)) },
    };

    private static JsonObject Either(JsonObject one, JsonObject other) => new() { ["anyOf"] = new JsonArray(one, other) };

    private JsonObject Object(int depth)
    {
        string[] names = [.. Names.Where(_ => random.Next(3) == 0)];
        var schema = new JsonObject
        {
            ["type"] = "object",
            ["properties"] = new JsonObject(names.Select(n => KeyValuePair.Create<string, JsonNode?>(n, Value(depth, recursive: true)))),
            ["required"] = new JsonArray([.. names.Where(_ => random.Next(2) == 0).Select(n => (JsonNode)n)]),
        };
        if (random.Next(3) is var more && more > 0)
            schema["additionalProperties"] = more == 1 ? false : Scalar();
        return schema;
    }

    private JsonObject List(int depth)
    {
        var schema = new JsonObject { ["type"] = "array", ["items"] = Value(depth, recursive: true) };
        if (random.Next(3) == 0)
            schema["prefixItems"] = new JsonArray(Scalar(), Scalar());
        int min = random.Next(3);
        schema["minItems"] = min;
        if (random.Next(2) == 0)
            schema["maxItems"] = min + random.Next(3);
        return schema;
    }

    private JsonObject Scalar() => random.Next(11) switch
    {
        0 => new JsonObject { ["type"] = "boolean" },
        1 => new JsonObject { ["enum"] = new JsonArray("a", "the quick", 12, null, true, new JsonObject { ["k"] = 1.5 }) },
        2 => new JsonObject { ["const"] = "é\n\"" },
        3 => new JsonObject { ["type"] = "string", ["pattern"] = Expressions[random.Next(Expressions.Length)] },
        4 => new JsonObject { ["type"] = "string", ["format"] = Formats[random.Next(Formats.Length)] },
        5 => new JsonObject { ["type"] = "string", ["minLength"] = random.Next(3), ["maxLength"] = 3 + random.Next(4) },
        6 => new JsonObject { ["type"] = new JsonArray("integer", "null", "string") },
        7 => Between("integer", random.Next(-1200, 1200), random.Next(0, 3000)),
        8 => Between("number", random.Next(-2000, 2000) / 100m, random.Next(1, 4000) / 100m),
        9 => new JsonObject { ["type"] = "number", ["multipleOf"] = random.Next(2) == 0 ? 0.01 : 10 },
        _ => new JsonObject { ["type"] = "string" },
    };

    private JsonObject Between(string type, decimal low, decimal width) => new()
    {
        ["type"] = type,
        [random.Next(2) == 0 ? "minimum" : "exclusiveMinimum"] = low,
        [random.Next(2) == 0 ? "maximum" : "exclusiveMaximum"] = low + width + 2,
    };
}
