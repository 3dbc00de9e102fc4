using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;
using Google.Protobuf;

namespace AiFabric.LocalCluster.Http;

/// <summary>Reads Kubernetes' protobuf envelope (<c>k8s\0</c>, then a runtime.Unknown message) into the JSON form of the object.</summary>
internal static class ProtobufBody
{
    private static ReadOnlySpan<byte> Magic => "k8s\0"u8;

    /// <summary>The object.</summary>
    /// <exception cref="ApiException">415 for a message or field that is only understood as JSON.</exception>
    /// <exception cref="JsonException">Malformed bytes.</exception>
    public static JsonObject Parse(byte[] bytes)
    {
        if (!bytes.AsSpan().StartsWith(Magic))
            throw new JsonException("the protobuf body does not start with k8s and a zero byte");
        try
        {
            var (apiVersion, kind, raw) = ReadEnvelope(new CodedInputStream(bytes, Magic.Length, bytes.Length - Magic.Length));
            var made = ReadMessage(kind, new CodedInputStream(raw));
            made["apiVersion"] = apiVersion;
            made["kind"] = kind;
            return made;
        }
        catch (InvalidProtocolBufferException problem)
        {
            throw new JsonException(problem.Message, problem);
        }
    }

    private static (string ApiVersion, string Kind, byte[] Raw) ReadEnvelope(CodedInputStream input)
    {
        var (apiVersion, kind, raw) = ("", "", Array.Empty<byte>());
        while (input.ReadTag() is var tag and not 0)
        {
            switch (WireFormat.GetTagFieldNumber(tag))
            {
                case 1:
                    var type = new CodedInputStream(input.ReadBytes().ToByteArray());
                    while (type.ReadTag() is var field and not 0)
                        _ = WireFormat.GetTagFieldNumber(field) == 1 ? apiVersion = type.ReadString() : kind = type.ReadString();
                    break;
                case 2:
                    raw = input.ReadBytes().ToByteArray();
                    break;
                default:
                    input.SkipLastField();
                    break;
            }
        }

        return (apiVersion, kind, raw);
    }

    private static JsonObject ReadMessage(string message, CodedInputStream input)
    {
        var fields = ProtobufMessages.Find(message) ?? throw Unsupported(message);
        var made = new JsonObject();
        while (input.ReadTag() is var tag and not 0)
        {
            var number = WireFormat.GetTagFieldNumber(tag);
            if (!fields.TryGetValue(number, out var field))
                SkipEmpty(message, number, tag, input);
            else if (field.Type.StartsWith("[]", StringComparison.Ordinal))
                Add(made, field.Name, ReadValue(field.Type[2..], input) ?? "");
            else if (field.Type.StartsWith("{}", StringComparison.Ordinal))
                AddEntry(made, field.Name, field.Type[2..], new(input.ReadBytes().ToByteArray()));
            else if (ReadValue(field.Type, input) is { } value && value is not JsonObject { Count: 0 })
                made[field.Name] = value;
        }

        return made;
    }

    private static JsonNode? ReadValue(string type, CodedInputStream input) => type switch
    {
        "s" => input.ReadString() is { Length: > 0 } text ? text : null,
        "i" => input.ReadInt64(),
        "z" => input.ReadInt64() is var number and not 0 ? number : null,
        "b" => input.ReadBool(),
        "f" => input.ReadBool() ? true : null,
        "y" => Convert.ToBase64String(input.ReadBytes().ToByteArray()),
        "-" => Ignore(input),
        "T" => ReadTime(new(input.ReadBytes().ToByteArray())),
        "Q" => ReadFirst(new(input.ReadBytes().ToByteArray()))?.ReadString(),
        "I" => ReadIntOrString(new(input.ReadBytes().ToByteArray())),
        _ => ReadMessage(type, new(input.ReadBytes().ToByteArray())),
    };

    private static JsonNode? Ignore(CodedInputStream input)
    {
        input.SkipLastField();
        return null;
    }

    private static CodedInputStream? ReadFirst(CodedInputStream input) => input.ReadTag() == 0 ? null : input;

    private static JsonNode? ReadTime(CodedInputStream input) =>
        ReadFirst(input)?.ReadInt64() is { } seconds and not 0
            ? ObjectWriter.Timestamp(DateTimeOffset.FromUnixTimeSeconds(seconds))
            : null;

    private static JsonNode ReadIntOrString(CodedInputStream input)
    {
        var (isText, number, text) = (false, 0L, "");
        while (input.ReadTag() is var tag and not 0)
        {
            switch (WireFormat.GetTagFieldNumber(tag))
            {
                case 1:
                    isText = input.ReadInt64() == 1;
                    break;
                case 2:
                    number = input.ReadInt64();
                    break;
                default:
                    text = input.ReadString();
                    break;
            }
        }

        return isText ? text : number;
    }

    private static void Add(JsonObject made, string name, JsonNode? value)
    {
        if (made[name] is JsonArray list)
            list.Add(value);
        else
            made[name] = new JsonArray(value);
    }

    private static void AddEntry(JsonObject made, string name, string type, CodedInputStream entry)
    {
        var (key, value) = ("", (JsonNode?)null);
        while (entry.ReadTag() is var tag and not 0)
        {
            if (WireFormat.GetTagFieldNumber(tag) == 1)
                key = entry.ReadString();
            else
                value = ReadValue(type, entry);
        }

        if (made[name] is not JsonObject map)
            made[name] = map = [];
        // In a map, unlike elsewhere, an empty text is a value.
        map[key] = value ?? "";
    }

    /// <summary>Messages carry all their plain fields, mostly empty; only one that says something is a problem.</summary>
    private static void SkipEmpty(string message, int number, uint tag, CodedInputStream input)
    {
        switch (WireFormat.GetTagWireType(tag))
        {
            case WireFormat.WireType.LengthDelimited when input.ReadBytes().Length > 0:
            case WireFormat.WireType.Varint when input.ReadInt64() != 0:
                throw Unsupported($"{message} field {number}");
        }
    }

    private static ApiException Unsupported(string what) => new(
        415, "UnsupportedMediaType", $"the body of the request was in an unknown format: {what} is not read in protobuf form; "
            + "accepted media types include: application/json, application/yaml");
}
