using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Schema;

/// <summary>Reads the structural OpenAPI v3 schema of a CustomResourceDefinition. CEL rules are left to real servers.</summary>
internal static class SchemaReader
{
    private const string Extension = "x-kubernetes-";

    /// <summary>The shape of a whole object, with the metadata that every object has.</summary>
    public static SchemaNode ReadRoot(JsonObject? schema)
    {
        var root = schema is null ? new SchemaNode { PreserveUnknown = true } : Read(schema);
        root.Properties["apiVersion"] = new() { Type = "string" };
        root.Properties["kind"] = new() { Type = "string" };
        root.Properties["metadata"] = BuiltInSchemas.Metadata;
        return root;
    }

    /// <summary>The shape that a schema describes; a missing schema takes anything.</summary>
    public static SchemaNode Read(JsonObject? schema)
    {
        if (schema is null)
            return SchemaNode.Anything;
        var listKeys = Texts(schema.Items(Extension + "list-map-keys"));
        return new()
        {
            Type = schema.Text("type"),
            Format = schema.Text("format"),
            Properties = schema.Map("properties")?.ToDictionary(pair => pair.Key, pair => Read(pair.Value as JsonObject), StringComparer.Ordinal) ?? [],
            Values = ReadValues(schema.Field("additionalProperties")),
            Items = schema.Map("items") is { } items ? Read(items) : null,
            Required = Texts(schema.Items("required")),
            Default = Fixed(schema.Field("default")),
            Nullable = schema.Flag("nullable"),
            IntOrString = schema.Flag(Extension + "int-or-string"),
            PreserveUnknown = schema.Flag(Extension + "preserve-unknown-fields"),
            EmbeddedResource = schema.Flag(Extension + "embedded-resource"),
            Merge = schema.Text(Extension + "list-type") switch { "map" => ListMerge.Map, "set" => ListMerge.Set, _ => ListMerge.Atomic },
            ListKeys = listKeys,
            AtomicMap = schema.Text(Extension + "map-type") == "atomic",
            Constraints = ReadConstraints(schema),
        };
    }

    private static SchemaNode? ReadValues(JsonNode? node) => node switch
    {
        JsonObject schema => Read(schema),
        JsonValue value when value.GetValueKind() == JsonValueKind.True => SchemaNode.Anything,
        _ => null,
    };

    private static Constraints? ReadConstraints(JsonObject schema)
    {
        var read = new Constraints
        {
            Enum = [.. schema.Items("enum")?.Select(Fixed) ?? []],
            Minimum = Number(schema, "minimum"),
            Maximum = Number(schema, "maximum"),
            ExclusiveMinimum = schema.Flag("exclusiveMinimum"),
            ExclusiveMaximum = schema.Flag("exclusiveMaximum"),
            MultipleOf = Number(schema, "multipleOf"),
            MinLength = schema.Whole("minLength"),
            MaxLength = schema.Whole("maxLength"),
            Pattern = schema.Text("pattern"),
            MinItems = schema.Whole("minItems"),
            MaxItems = schema.Whole("maxItems"),
            UniqueItems = schema.Flag("uniqueItems"),
            MinProperties = schema.Whole("minProperties"),
            MaxProperties = schema.Whole("maxProperties"),
            AllOf = Schemas(schema, "allOf"),
            AnyOf = Schemas(schema, "anyOf"),
            OneOf = Schemas(schema, "oneOf"),
            Not = schema.Map("not") is { } not ? Read(not) : null,
        };
        return read == new Constraints { Enum = read.Enum, AllOf = read.AllOf, AnyOf = read.AnyOf, OneOf = read.OneOf }
            && read.Enum.Count + read.AllOf.Count + read.AnyOf.Count + read.OneOf.Count == 0
            ? null
            : read;
    }

    private static SchemaNode[] Schemas(JsonObject schema, string name) =>
        [.. schema.Items(name)?.OfType<JsonObject>().Select(Read) ?? []];

    private static double? Number(JsonObject schema, string name) =>
        schema.Field(name) is { } value && value.GetValueKind() == JsonValueKind.Number
            ? double.Parse(value.ToJsonString(), CultureInfo.InvariantCulture)
            : null;

    private static string[] Texts(JsonArray? items) => [.. items?.Select(item => item!.ToString()) ?? []];

    /// <summary>A copy that holds parsed values, because a node over text parses itself on first use and that is not thread safe.</summary>
    private static JsonNode? Fixed(JsonNode? node) => node switch
    {
        JsonObject map => new JsonObject(map.Select(pair => KeyValuePair.Create(pair.Key, Fixed(pair.Value)))),
        JsonArray list => new JsonArray([.. list.Select(Fixed)]),
        _ => node?.DeepClone(),
    };
}
