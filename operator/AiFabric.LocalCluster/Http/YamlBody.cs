using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace AiFabric.LocalCluster.Http;

/// <summary>YAML to JSON by YAML's core schema: unquoted true, 1 and null are not strings.</summary>
internal static class YamlBody
{
    /// <summary>The first document; null when there is none.</summary>
    /// <exception cref="JsonException">Malformed YAML.</exception>
    public static JsonNode? Parse(byte[] bytes)
    {
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(Encoding.UTF8.GetString(bytes)));
            return stream.Documents.Count == 0 ? null : Convert(stream.Documents[0].RootNode);
        }
        catch (YamlException problem)
        {
            throw new JsonException(problem.Message, problem);
        }
    }

    private static JsonNode? Convert(YamlNode node) => node switch
    {
        YamlMappingNode map => Map(map),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(Convert)]),
        YamlScalarNode { Style: ScalarStyle.Plain or ScalarStyle.Any } scalar => Plain(scalar.Value ?? ""),
        YamlScalarNode scalar => JsonValue.Create(scalar.Value ?? ""),
        _ => throw new JsonException($"YAML node {node.NodeType} is not supported"),
    };

    private static JsonObject Map(YamlMappingNode map)
    {
        var made = new JsonObject();
        foreach (var (key, value) in map.Children)
            made[((YamlScalarNode)key).Value ?? ""] = Convert(value);
        return made;
    }

    private static JsonValue? Plain(string text)
    {
        switch (text)
        {
            case "" or "~" or "null" or "Null" or "NULL":
                return null;
            case "true" or "True" or "TRUE":
                return JsonValue.Create(true);
            case "false" or "False" or "FALSE":
                return JsonValue.Create(false);
        }

        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole))
            return JsonValue.Create(whole);
        // Only what begins like a number: "nan" and "infinity" are words here.
        return (char.IsAsciiDigit(text[0]) || (text.Length > 1 && text[0] is '-' or '.'))
            && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? JsonValue.Create(number)
            : JsonValue.Create(text);
    }
}
