using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;
using AiFabric.LocalCluster.Schema;
using AiFabric.LocalCluster.Storage;

namespace AiFabric.LocalCluster.Discovery;

/// <summary>
/// The OpenAPI v3 documents, one per group and version. Their paths say that writes take <c>fieldValidation</c> (kubectl then leaves
/// validation to the server); their schemas serve <c>kubectl explain</c>. Strategic merge patch is accepted but not advertised, so that
/// kubectl computes such patches from its own types.
/// </summary>
internal sealed class OpenApiV3(TypeRegistry types, ObjectStore store)
{
    private const string Prefix = "#/components/schemas/";

    /// <summary>GET /openapi/v3: the documents, with a hash in each address because clients keep them.</summary>
    public JsonObject Index()
    {
        var paths = new JsonObject();
        foreach (var (group, version) in types.Entries.Select(entry => (entry.Type.Group, entry.Type.Version)).Distinct())
        {
            var path = Path(group, version);
            var hash = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(Document(group, version)!.ToJsonString())));
            paths[path] = new JsonObject { ["serverRelativeURL"] = $"/openapi/v3/{path}?hash={hash}" };
        }

        return new() { ["paths"] = paths };
    }

    /// <summary>The document of a group and version, or null.</summary>
    public JsonObject? Document(string group, string version)
    {
        var entries = types.Entries.Where(entry => entry.Type.Group == group && entry.Type.Version == version).ToArray();
        if (entries.Length == 0)
            return null;
        var paths = new JsonObject();
        var used = new HashSet<SchemaNode>();
        var schemas = new JsonObject();
        foreach (var entry in entries)
        {
            AddPaths(paths, entry);
            schemas[SchemaName(entry)] = Schema(entry, used);
        }

        AddReferenced(schemas, used);
        return new()
        {
            ["openapi"] = "3.0.0",
            ["info"] = new JsonObject { ["title"] = "AiFabric local cluster", ["version"] = "v1" },
            ["paths"] = paths,
            ["components"] = new JsonObject { ["schemas"] = schemas },
        };
    }

    private static string Path(string group, string version) => group.Length == 0 ? $"api/{version}" : $"apis/{group}/{version}";

    private static string SchemaName(TypeEntry entry) =>
        !entry.Custom && entry.Shape?.Name is { } name
            ? name
            : $"{string.Join('.', entry.Type.Group.Split('.').Reverse())}.{entry.Type.Version}.{entry.Type.Kind}";

    private JsonObject Schema(TypeEntry entry, HashSet<SchemaNode> used)
    {
        var schema = entry.Custom ? Declared(entry) : SchemaDocument.Write(entry.Shape ?? SchemaNode.Anything, Prefix, used);
        if (entry.Custom)
        {
            var properties = schema.Ensure("properties");
            properties["apiVersion"] ??= new JsonObject { ["type"] = "string" };
            properties["kind"] ??= new JsonObject { ["type"] = "string" };
            used.Add(BuiltInSchemas.Metadata);
            properties["metadata"] = new JsonObject { ["$ref"] = Prefix + BuiltInSchemas.Metadata.Name };
        }

        schema["x-kubernetes-group-version-kind"] = new JsonArray(Kind(entry));
        return schema;
    }

    /// <summary>The schema as its CustomResourceDefinition declares it, descriptions included.</summary>
    private JsonObject Declared(TypeEntry entry)
    {
        if (store.Find(BuiltInTypes.Definitions.Resource, null, $"{entry.Type.Plural}.{entry.Type.Group}") is not { } stored)
            return [];
        var versions = JsonObject.Create(stored.Body).Items("spec", "versions");
        return versions?.FirstOrDefault(version => version.Text("name") == entry.Type.Version).Map("schema", "openAPIV3Schema")?.Clone() ?? [];
    }

    private static void AddReferenced(JsonObject schemas, HashSet<SchemaNode> used)
    {
        while (used.FirstOrDefault(shape => !schemas.ContainsKey(shape.Name!)) is { } next)
            schemas[next.Name!] = SchemaDocument.Write(next, Prefix, used);
    }

    private static void AddPaths(JsonObject paths, TypeEntry entry)
    {
        var type = entry.Type;
        var root = $"/{Path(type.Group, type.Version)}/{(type.Namespaced ? "namespaces/{namespace}/" : "")}{type.Plural}";
        paths[root] = new JsonObject
        {
            ["get"] = Operation(entry, "list", []),
            ["post"] = Operation(entry, "post", ["dryRun", "fieldManager", "fieldValidation"]),
        };
        var patch = Operation(entry, "patch", ["dryRun", "fieldManager", "fieldValidation", "force"]);
        var any = new JsonObject { ["schema"] = new JsonObject { ["type"] = "object" } };
        patch["requestBody"] = new JsonObject
        {
            ["content"] = new JsonObject
            {
                ["application/apply-patch+yaml"] = any,
                ["application/json-patch+json"] = any.DeepClone(),
                ["application/merge-patch+json"] = any.DeepClone(),
            },
        };
        paths[root + "/{name}"] = new JsonObject
        {
            ["get"] = Operation(entry, "get", []),
            ["put"] = Operation(entry, "put", ["dryRun", "fieldManager", "fieldValidation"]),
            ["patch"] = patch,
            ["delete"] = Operation(entry, "delete", ["dryRun"]),
        };
    }

    private static JsonObject Operation(TypeEntry entry, string action, string[] parameters) => new()
    {
        ["operationId"] = $"{action}{entry.Type.Group}{entry.Type.Version}{entry.Type.Kind}",
        ["x-kubernetes-action"] = action,
        ["x-kubernetes-group-version-kind"] = Kind(entry),
        ["parameters"] = new JsonArray([.. parameters.Select(name => (JsonNode)new JsonObject
        {
            ["name"] = name,
            ["in"] = "query",
            ["schema"] = new JsonObject { ["type"] = name == "force" ? "boolean" : "string" },
        })]),
        ["responses"] = new JsonObject { ["200"] = new JsonObject { ["description"] = "OK" } },
    };

    private static JsonObject Kind(TypeEntry entry) => new()
    {
        ["group"] = entry.Type.Group,
        ["version"] = entry.Type.Version,
        ["kind"] = entry.Type.Kind,
    };
}
