using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Schema;

namespace AiFabric.LocalCluster.Discovery;

/// <summary>Writes shapes as OpenAPI schemas.</summary>
internal static class SchemaDocument
{
    /// <summary>A shape by value; built-in shapes inside it by reference.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="prefix">Where definitions lie: <c>#/definitions/</c> or <c>#/components/schemas/</c>.</param>
    /// <param name="used">Receives the built-in shapes that are referred to.</param>
    public static JsonObject Write(SchemaNode shape, string prefix, ISet<SchemaNode> used)
    {
        var made = new JsonObject();
        if (shape.Type is not null)
            made["type"] = shape.Type;
        if (shape.Format is not null && shape.Format != "quantity")
            made["format"] = shape.Format;
        if (shape.IntOrString)
            (made["type"], made["format"]) = ("string", "int-or-string");
        if (shape.Properties.Count > 0)
        {
            made["properties"] = new JsonObject(shape.Properties.OrderBy(pair => pair.Key, StringComparer.Ordinal)
                .Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)Refer(pair.Value, prefix, used))));
        }

        if (shape.Values is { } values)
            made["additionalProperties"] = Refer(values, prefix, used);
        if (shape.Items is { } items)
            made["items"] = Refer(items, prefix, used);
        if (shape.Required.Count > 0)
            made["required"] = new JsonArray([.. shape.Required.Select(name => (JsonNode)name)]);
        WriteListExtensions(made, shape);
        return made;
    }

    private static JsonObject Refer(SchemaNode shape, string prefix, ISet<SchemaNode> used)
    {
        if (shape.Name is null)
            return Write(shape, prefix, used);
        used.Add(shape);
        return new() { ["$ref"] = prefix + shape.Name };
    }

    private static void WriteListExtensions(JsonObject made, SchemaNode shape)
    {
        if (shape.Type == "array")
            made["x-kubernetes-list-type"] = shape.Merge switch { ListMerge.Map => "map", ListMerge.Set => "set", _ => "atomic" };
        if (shape.ListKeys.Count > 0)
            made["x-kubernetes-list-map-keys"] = new JsonArray([.. shape.ListKeys.Select(key => (JsonNode)key)]);
        if (shape.PatchKey is not null)
            (made["x-kubernetes-patch-strategy"], made["x-kubernetes-patch-merge-key"]) = ("merge", shape.PatchKey);
        if (shape.AtomicMap)
            made["x-kubernetes-map-type"] = "atomic";
        if (shape.PreserveUnknown)
            made["x-kubernetes-preserve-unknown-fields"] = true;
    }
}
