using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json.Serialization;
using AiFabric.LocalCluster.Registry;
using k8s.Models;

namespace AiFabric.LocalCluster.Schema;

/// <summary>The shapes of the built-in types, read from the Kubernetes client's model classes.</summary>
internal static class BuiltInSchemas
{
    private static readonly ConcurrentDictionary<Type, SchemaNode> Known = new();

    private static readonly Lazy<Dictionary<(string Group, string Version, string Kind), Type>> Models = new(() => typeof(V1Pod).Assembly
        .GetTypes()
        .Select(type => (Type: type, Entity: type.GetCustomAttribute<KubernetesEntityAttribute>()))
        .Where(pair => pair.Entity is not null)
        .GroupBy(pair => (pair.Entity!.Group ?? "", pair.Entity.ApiVersion, pair.Entity.Kind))
        .ToDictionary(group => group.Key, group => group.First().Type));

    /// <summary>The metadata of every object.</summary>
    public static SchemaNode Metadata { get; } = Of(typeof(V1ObjectMeta));

    /// <summary>All definitions that have a name, for the OpenAPI documents.</summary>
    public static IEnumerable<SchemaNode> Named => Known.Values;

    /// <summary>The shape of a built-in type; null (anything goes) when the client has no model of it.</summary>
    public static SchemaNode? For(ResourceType type) =>
        Models.Value.GetValueOrDefault((type.Group, type.Version, type.Kind)) is { } model ? Of(model) : null;

    private static SchemaNode Of(Type model)
    {
        if (Known.TryGetValue(model, out var known))
            return known;
        // Published before its fields are filled in, because some types (JSONSchemaProps) contain themselves.
        var made = new SchemaNode { Name = $"io.k8s.{model.Name}", Type = "object", AtomicMap = MergeKeys.IsAtomic(model) };
        Known[model] = made;
        foreach (var property in model.GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (property.GetCustomAttribute<JsonPropertyNameAttribute>() is { } name)
                made.Properties[name.Name] = OfProperty(model, name.Name, property.PropertyType);
        }

        return made;
    }

    private static SchemaNode OfProperty(Type owner, string field, Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IList<>))
        {
            var keys = MergeKeys.Keys(owner, field);
            var set = MergeKeys.IsSet(owner, field);
            return new()
            {
                Type = "array",
                Items = OfProperty(owner, "", type.GenericTypeArguments[0]),
                Merge = keys is not null ? ListMerge.Map : set ? ListMerge.Set : ListMerge.Atomic,
                ListKeys = keys ?? [],
                PatchKey = keys?[0],
            };
        }

        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IDictionary<,>))
        {
            return new()
            {
                Type = "object",
                Values = OfProperty(owner, "", type.GenericTypeArguments[1]),
                AtomicMap = MergeKeys.IsAtomicMap(owner, field),
            };
        }

        return OfScalar(type) ?? (type.Namespace == typeof(V1Pod).Namespace ? Of(type) : SchemaNode.Anything);
    }

    private static SchemaNode? OfScalar(Type type)
    {
        if (type == typeof(string))
            return new() { Type = "string" };
        if (type == typeof(bool))
            return new() { Type = "boolean" };
        if (type == typeof(int) || type == typeof(long))
            return new() { Type = "integer", Format = type == typeof(int) ? "int32" : "int64" };
        if (type == typeof(double) || type == typeof(float))
            return new() { Type = "number" };
        if (type == typeof(DateTime) || type == typeof(DateTimeOffset))
            return new() { Type = "string", Format = "date-time" };
        if (type == typeof(byte[]))
            return new() { Type = "string", Format = "byte" };
        if (type == typeof(IntOrString))
            return new() { IntOrString = true };
        if (type == typeof(ResourceQuantity))
            return new() { IntOrString = true, Format = "quantity" };
        return null;
    }
}
