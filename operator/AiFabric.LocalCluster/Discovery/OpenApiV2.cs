using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;
using AiFabric.LocalCluster.Schema;

namespace AiFabric.LocalCluster.Discovery;

/// <summary>
/// The OpenAPI v2 document, for clients before 1.27, which validate on their side. It describes the custom resources only: for built-in
/// kinds kubectl then uses its own types.
/// </summary>
internal sealed class OpenApiV2(TypeRegistry types)
{
    private const string Prefix = "#/definitions/";

    public JsonObject Document()
    {
        var definitions = new JsonObject();
        var used = new HashSet<SchemaNode>();
        var paths = new JsonObject();
        foreach (var entry in types.Entries)
        {
            paths[Path(entry.Type)] = Operations(entry);
            if (entry is not { Custom: true, Shape: { } shape })
                continue;
            var schema = SchemaDocument.Write(shape, Prefix, used);
            schema["type"] = "object";
            schema["x-kubernetes-group-version-kind"] = new JsonArray(Kind(entry.Type));
            definitions[$"{string.Join('.', entry.Type.Group.Split('.').Reverse())}.{entry.Type.Version}.{entry.Type.Kind}"] = schema;
        }

        while (used.FirstOrDefault(shape => !definitions.ContainsKey(shape.Name!)) is { } next)
            definitions[next.Name!] = SchemaDocument.Write(next, Prefix, used);
        Relax(definitions);
        return new()
        {
            ["swagger"] = "2.0",
            ["info"] = new JsonObject { ["title"] = "AiFabric local cluster", ["version"] = "v1" },
            ["paths"] = paths,
            ["definitions"] = definitions,
        };
    }

    private static string Path(ResourceType type) =>
        $"/{(type.Group.Length == 0 ? "api" : "apis/" + type.Group)}/{type.Version}/{(type.Namespaced ? "namespaces/{namespace}/" : "")}{type.Plural}/{{name}}";

    private static JsonObject Operations(TypeEntry entry) => new()
    {
        // kubectl reads from here whether a server-side dry run is safe.
        ["patch"] = new JsonObject
        {
            ["consumes"] = new JsonArray("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"),
            ["parameters"] = new JsonArray(new JsonObject { ["name"] = "dryRun", ["in"] = "query", ["type"] = "string", ["uniqueItems"] = true }),
            ["responses"] = new JsonObject { ["200"] = new JsonObject { ["description"] = "OK" } },
            ["x-kubernetes-action"] = "patch",
            ["x-kubernetes-group-version-kind"] = Kind(entry.Type),
        },
    };

    private static JsonObject Kind(ResourceType type) => new() { ["group"] = type.Group, ["version"] = type.Version, ["kind"] = type.Kind };

    /// <summary>
    /// Client-side validation takes a schema literally, so schemas that mean "anything" lose their type, as they do in Kubernetes.
    /// </summary>
    private static void Relax(JsonNode? node)
    {
        if (node is JsonObject map)
        {
            if (map.Flag("x-kubernetes-preserve-unknown-fields") || map.Text("format") == "int-or-string")
            {
                foreach (var name in (string[])["type", "format", "properties", "items", "additionalProperties"])
                    map.Remove(name);
            }

            foreach (var (_, value) in map)
                Relax(value);
        }
        else if (node is JsonArray list)
        {
            foreach (var item in list)
                Relax(item);
        }
    }
}
