using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using Google.Protobuf;

namespace AiFabric.LocalCluster.Discovery;

/// <summary>
/// The OpenAPI v2 document as a message of gnostic's OpenAPIv2.proto, the only form that kubectl before 1.27 asks for. Field numbers are
/// those of that file; a message is written as its fields' bytes, nested ones with a length before them.
/// </summary>
internal static class OpenApiV2Protobuf
{
    /// <summary>Not the type that is asked for (spec.v2@v1.0): "@" may not stand in a media type, and Go clients refuse it.</summary>
    public const string MediaType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

    public static byte[] Write(JsonObject document) => Message(output =>
    {
        Text(output, 1, document.Text("swagger"));
        Nested(output, 2, info =>
        {
            Text(info, 1, document.Text("info", "title"));
            Text(info, 2, document.Text("info", "version"));
        });
        Nested(output, 8, paths => Named(paths, 2, document.Map("paths"), PathItem));
        Nested(output, 9, definitions => Named(definitions, 1, document.Map("definitions"), Schema));
    });

    private static void PathItem(CodedOutputStream output, JsonObject item)
    {
        if (item.Map("patch") is { } patch)
            Nested(output, 8, operation => Operation(operation, patch));
    }

    private static void Operation(CodedOutputStream output, JsonObject operation)
    {
        foreach (var type in operation.Items("consumes") ?? [])
            Text(output, 7, type?.ToString());
        foreach (var parameter in operation.Items("parameters") ?? [])
        {
            // ParametersItem.parameter(1) / Parameter.non_body_parameter(2) / NonBodyParameter.query_parameter_sub_schema(3)
            Nested(output, 8, item => Nested(item, 1, one => Nested(one, 2, other => Nested(other, 3, query =>
            {
                Text(query, 2, parameter.Text("in"));
                Text(query, 4, parameter.Text("name"));
                Text(query, 6, parameter.Text("type"));
            }))));
        }

        // Responses.response_code(1) / NamedResponseValue{name(1), value(2)} / ResponseValue.response(1) / Response.description(1)
        Nested(output, 9, responses => Nested(responses, 1, code =>
        {
            Text(code, 1, "200");
            Nested(code, 2, value => Nested(value, 1, response => Text(response, 1, "OK")));
        }));
        Extensions(output, 13, operation);
    }

    private static void Schema(CodedOutputStream output, JsonObject schema)
    {
        Text(output, 1, schema.Text("$ref"));
        Text(output, 2, schema.Text("format"));
        Text(output, 4, schema.Text("description"));
        foreach (var name in schema.Items("required") ?? [])
            Text(output, 19, name?.ToString());
        // AdditionalPropertiesItem.schema(1)
        if (schema.Map("additionalProperties") is { } values)
            Nested(output, 21, item => Nested(item, 1, one => Schema(one, values)));
        if (schema.Text("type") is { } type)
            Nested(output, 22, item => Text(item, 1, type));
        if (schema.Map("items") is { } items)
            Nested(output, 23, item => Nested(item, 1, one => Schema(one, items)));
        if (schema.Map("properties") is { } properties)
            Nested(output, 25, item => Named(item, 1, properties, Schema));
        Extensions(output, 31, schema);
    }

    /// <summary>Repeated NamedX{name(1), value(2)}.</summary>
    private static void Named(CodedOutputStream output, int field, JsonObject? map, Action<CodedOutputStream, JsonObject> write)
    {
        foreach (var (name, value) in map ?? [])
        {
            Nested(output, field, named =>
            {
                Text(named, 1, name);
                Nested(named, 2, one => write(one, value as JsonObject ?? []));
            });
        }
    }

    /// <summary>Repeated NamedAny{name(1), value(2): Any{yaml(2)}}; JSON is YAML.</summary>
    private static void Extensions(CodedOutputStream output, int field, JsonObject map)
    {
        foreach (var (name, value) in map.Where(pair => pair.Key.StartsWith("x-", StringComparison.Ordinal)))
        {
            Nested(output, field, named =>
            {
                Text(named, 1, name);
                Nested(named, 2, any => Text(any, 2, value?.ToJsonString() + "\n"));
            });
        }
    }

    private static void Text(CodedOutputStream output, int field, string? text)
    {
        if (string.IsNullOrEmpty(text))
            return;
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteString(text);
    }

    private static void Nested(CodedOutputStream output, int field, Action<CodedOutputStream> write)
    {
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(Message(write)));
    }

    private static byte[] Message(Action<CodedOutputStream> write)
    {
        using var memory = new MemoryStream();
        using (var output = new CodedOutputStream(memory, leaveOpen: true))
            write(output);
        return memory.ToArray();
    }
}
