using System.Reflection;
using System.Text.Json.Nodes;
using AiFabric.Crds.Abstractions;
using AiFabric.Crds.Common;
using k8s.Models;

namespace AiFabric.Crds.Schema;

/// <summary>A kind's C# type → its CustomResourceDefinition (apiextensions.k8s.io/v1).</summary>
public sealed class CrdBuilder
{
    private readonly XmlDescriptions _descriptions;
    private readonly Assembly _assembly;

    /// <param name="assembly">Holds the kinds; its XML documentation must lie beside it.</param>
    /// <exception cref="CrdException">The documentation is missing.</exception>
    public CrdBuilder(Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        _assembly = assembly;
        _descriptions = new XmlDescriptions(assembly);
    }

    /// <summary>The definitions of all kinds in the assembly, by file name, in order of name.</summary>
    /// <exception cref="CrdException">A type cannot be said as a structural schema.</exception>
    public IReadOnlyDictionary<string, string> BuildAll() =>
        new SortedDictionary<string, string>(
            _assembly.GetExportedTypes().Where(IsKind).ToDictionary(FileName, type => CrdYaml.Write(Build(type))), StringComparer.Ordinal);

    /// <summary>The definition of one kind.</summary>
    /// <exception cref="CrdException">The type is no kind, or cannot be said as a structural schema.</exception>
    public JsonObject Build(Type kind)
    {
        ArgumentNullException.ThrowIfNull(kind);
        if (!IsKind(kind))
            throw new CrdException($"{kind} is no kind: it needs [KubernetesEntity] and the base class CustomKubernetesEntity.");
        KubernetesEntityAttribute entity = kind.GetCustomAttribute<KubernetesEntityAttribute>()!; // Just looked.
        string[] shortNames = [.. kind.GetCustomAttribute<KubernetesEntityShortNamesAttribute>()?.ShortNames ?? []];
        var names = new JsonObject
        {
            ["categories"] = new JsonArray(Group.Category),
            ["kind"] = entity.Kind,
            ["listKind"] = entity.Kind + "List",
            ["plural"] = entity.PluralName,
        };
        if (shortNames.Length > 0)
            names["shortNames"] = new JsonArray([.. shortNames.Select(name => (JsonNode)name)]);
        names["singular"] = entity.Kind.ToLowerInvariant();
        return new JsonObject
        {
            ["apiVersion"] = "apiextensions.k8s.io/v1",
            ["kind"] = "CustomResourceDefinition",
            ["metadata"] = new JsonObject { ["name"] = $"{entity.PluralName}.{entity.Group}" },
            ["spec"] = new JsonObject
            {
                ["group"] = entity.Group,
                ["names"] = names,
                ["scope"] = (kind.GetCustomAttribute<EntityScopeAttribute>()?.Scope ?? EntityScope.Namespaced).ToString(),
                ["versions"] = new JsonArray(VersionOf(kind, entity)),
            },
        };
    }

    private static bool IsKind(Type type) =>
        !type.IsAbstract && type.GetCustomAttribute<KubernetesEntityAttribute>() is not null && PartsOf(type) is not null;

    private static Type[]? PartsOf(Type? type) =>
        type is null ? null
        : type.IsGenericType && type.GetGenericTypeDefinition() == typeof(CustomKubernetesEntity<,>) ? type.GetGenericArguments()
        : PartsOf(type.BaseType);

    private static string FileName(Type kind)
    {
        KubernetesEntityAttribute entity = kind.GetCustomAttribute<KubernetesEntityAttribute>()!; // Only called for kinds.
        return $"{entity.Group}_{entity.PluralName}.yaml";
    }

    private JsonObject VersionOf(Type kind, KubernetesEntityAttribute entity)
    {
        var subresources = new JsonObject();
        if (kind.GetCustomAttribute<ScaleSubresourceAttribute>() is { } scale)
        {
            subresources["scale"] = new JsonObject
            {
                ["labelSelectorPath"] = scale.LabelSelectorPath,
                ["specReplicasPath"] = scale.SpecReplicasPath,
                ["statusReplicasPath"] = scale.StatusReplicasPath,
            };
        }
        subresources["status"] = new JsonObject();
        // First of all: it refuses types that contain themselves, which the columns' search would follow for ever.
        JsonObject schema = RootSchema(kind);
        var version = new JsonObject();
        JsonArray columns = PrinterColumns.Of(kind, PartsOf(kind)!); // Only called for kinds.
        if (columns.Count > 0)
            version["additionalPrinterColumns"] = columns;
        version["name"] = entity.ApiVersion;
        version["schema"] = new JsonObject { ["openAPIV3Schema"] = schema };
        version["served"] = true;
        version["storage"] = true;
        version["subresources"] = subresources;
        return version;
    }

    private JsonObject RootSchema(Type kind)
    {
        Type[] parts = PartsOf(kind)!; // Only called for kinds.
        var builder = new SchemaBuilder(_descriptions);
        JsonObject spec = builder.Object(parts[0]);
        var root = new JsonObject();
        if (_descriptions.Of(kind) is { Length: > 0 } description)
            root["description"] = description;
        root["type"] = "object";
        root["properties"] = new JsonObject
        {
            ["apiVersion"] = new JsonObject { ["description"] = "Version of the schema of this object.", ["type"] = "string" },
            ["kind"] = new JsonObject { ["description"] = "Kind of this object.", ["type"] = "string" },
            ["metadata"] = new JsonObject { ["type"] = "object" },
            ["spec"] = spec,
            ["status"] = builder.Object(parts[1]),
        };
        if (spec["required"] is not null)
            root["required"] = new JsonArray("spec");
        SchemaRules.AddValidations(root, kind);
        return root;
    }
}
