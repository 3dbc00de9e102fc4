using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace AiFabric.Cli.Cluster;

/// <summary>Reads YAML (and thereby JSON) manifests of any kind.</summary>
public static class Manifests
{
    /// <summary>Objects of a file, of all .yaml, .yml and .json files of a folder, or of standard input (<c>-</c>).</summary>
    /// <exception cref="CliException">Nothing is there, or it is not YAML.</exception>
    public static IReadOnlyList<JsonObject> Load(string path)
    {
        IReadOnlyList<JsonObject> objects = path switch
        {
            "-" => Parse(Console.In.ReadToEnd(), "standard input"),
            _ when Directory.Exists(path) =>
            [
                .. Directory.EnumerateFiles(path).Where(f => Path.GetExtension(f) is ".yaml" or ".yml" or ".json").Order(StringComparer.Ordinal)
                    .SelectMany(f => Parse(File.ReadAllText(f), f)),
            ],
            _ when File.Exists(path) => Parse(File.ReadAllText(path), path),
            _ => throw new CliException($"the path \"{path}\" does not exist"),
        };
        return objects.Count > 0 ? objects : throw new CliException($"{(path == "-" ? "standard input" : path)} holds no objects");
    }

    /// <summary>Objects of a text; lists (<c>kind: List</c>) are taken apart.</summary>
    /// <exception cref="CliException">It is not YAML, or a document is not an object.</exception>
    public static IReadOnlyList<JsonObject> Parse(string text, string source)
    {
        var stream = new YamlStream();
        try
        {
            stream.Load(new StringReader(text));
        }
        catch (YamlException e)
        {
            throw new CliException($"{source}: line {e.Start.Line}: {e.Message}");
        }

        return [.. stream.Documents.Where(d => d.RootNode is not YamlScalarNode { Value: "" or null })
            .SelectMany(d => Convert(d.RootNode) is JsonObject entity ? Flatten(entity) : throw new CliException($"{source}: a document is not an object"))];
    }

    private static IEnumerable<JsonObject> Flatten(JsonObject entity) =>
        entity["kind"]?.GetValue<string>() == "List" && entity["items"] is JsonArray items
            ? items.OfType<JsonObject>().Select(i => (JsonObject)i.DeepClone())
            : [entity];

    private static JsonNode? Convert(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(map.Children.Select(c =>
            KeyValuePair.Create(((YamlScalarNode)c.Key).Value ?? "", Convert(c.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Children.Select(Convert)]),
        YamlScalarNode scalar => Scalar(scalar),
        _ => null,
    };

    /// <summary>YAML 1.2's core schema: only plain scalars are anything but text.</summary>
    private static JsonValue? Scalar(YamlScalarNode scalar)
    {
        string text = scalar.Value ?? "";
        if (scalar.Style != ScalarStyle.Plain)
            return JsonValue.Create(text);
        return text switch
        {
            "" or "~" or "null" => null,
            "true" => JsonValue.Create(true),
            "false" => JsonValue.Create(false),
            _ when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole) => JsonValue.Create(whole),
            _ when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double fraction) && double.IsFinite(fraction) => JsonValue.Create(fraction),
            _ => JsonValue.Create(text),
        };
    }
}
