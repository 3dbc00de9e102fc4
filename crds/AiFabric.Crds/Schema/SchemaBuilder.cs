using System.Collections;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using AiFabric.Crds.Abstractions;
using k8s.Models;

namespace AiFabric.Crds.Schema;

/// <summary>A C# type → OpenAPI v3 in the structural form that custom resources need (every node typed, nothing left open by accident).</summary>
internal sealed class SchemaBuilder(XmlDescriptions descriptions)
{
    private readonly Stack<Type> _path = new();

    /// <summary>The schema of an object type: description, properties in the order of their declaration, required ones, rules.</summary>
    /// <exception cref="CrdException">A property has a type the API cannot carry.</exception>
    public JsonObject Object(Type type)
    {
        if (_path.Contains(type))
            throw new CrdException($"{type} contains itself; mark the property with [PreserveUnknownFields] or cut the circle.");
        _path.Push(type);
        var properties = new JsonObject();
        var required = new JsonArray();
        foreach (PropertyInfo property in PropertiesOf(type))
        {
            properties[NameOf(property)] = Property(property);
            if (property.GetCustomAttribute<RequiredAttribute>() is not null)
                required.Add(NameOf(property));
        }
        _path.Pop();
        var schema = new JsonObject();
        if (descriptions.Of(type) is { Length: > 0 } description)
            schema["description"] = description;
        schema["type"] = "object";
        if (properties.Count > 0)
            schema["properties"] = properties;
        if (required.Count > 0)
            schema["required"] = required;
        SchemaRules.AddValidations(schema, type);
        return schema;
    }

    /// <summary>The properties that JSON carries, base types' first, each in the order of its declaration.</summary>
    internal static IEnumerable<PropertyInfo> PropertiesOf(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(p => p.GetIndexParameters().Length == 0 && p.GetCustomAttribute<JsonIgnoreAttribute>() is null)
            .OrderBy(p => Depth(p.DeclaringType)).ThenBy(p => p.MetadataToken);

    /// <summary>The property's name in JSON.</summary>
    internal static string NameOf(PropertyInfo property) =>
        property.GetCustomAttribute<JsonPropertyNameAttribute>()?.Name ?? JsonNamingPolicy.CamelCase.ConvertName(property.Name);

    private static int Depth(Type? type) => type is null ? 0 : 1 + Depth(type.BaseType);

    private JsonObject Property(PropertyInfo property)
    {
        JsonObject schema;
        try
        {
            schema = property.GetCustomAttribute<PreserveUnknownFieldsAttribute>() is null
                ? TypeOf(property.PropertyType)
                : new JsonObject { ["type"] = "object", ["x-kubernetes-preserve-unknown-fields"] = true };
        }
        catch (CrdException e) when (e.InnerException is null)
        {
            throw new CrdException($"{property.DeclaringType?.Name}.{property.Name}: {e.Message}", e);
        }
        if (descriptions.Of(property) is { Length: > 0 } description)
        {
            // The property's text says more than its type's, and it comes first.
            schema.Remove("description");
            schema.Insert(0, "description", description);
        }
        SchemaRules.AddBounds(schema, property);
        SchemaRules.AddValidations(schema, property);
        return schema;
    }

    private JsonObject TypeOf(Type declared)
    {
        Type type = Nullable.GetUnderlyingType(declared) ?? declared;
        if (Scalar(type) is { } scalar)
            return scalar;
        if (type == typeof(V1Condition))
            return KnownSchemas.Condition();
        if (ElementOf(type, typeof(IDictionary<,>)) is { } entry)
        {
            if (entry[0] != typeof(string))
                throw new CrdException($"a dictionary's keys are strings in JSON, not {entry[0].Name}.");
            return new JsonObject { ["type"] = "object", ["additionalProperties"] = TypeOf(entry[1]) };
        }
        if (ElementOf(type, typeof(IEnumerable<>)) is { } element)
            return new JsonObject { ["type"] = "array", ["items"] = TypeOf(element[0]) };
        if (type == typeof(object) || type.IsInterface || typeof(IEnumerable).IsAssignableFrom(type))
            throw new CrdException($"{type.Name} has no fields to describe; use a class, or [PreserveUnknownFields].");
        return Object(type);
    }

    private static JsonObject? Scalar(Type type) => type switch
    {
        _ when type == typeof(string) || type == typeof(Uri) => new() { ["type"] = "string" },
        _ when type == typeof(bool) => new() { ["type"] = "boolean" },
        _ when type == typeof(int) => new() { ["type"] = "integer", ["format"] = "int32" },
        _ when type == typeof(long) => new() { ["type"] = "integer", ["format"] = "int64" },
        _ when type == typeof(DateTime) || type == typeof(DateTimeOffset) => new() { ["type"] = "string", ["format"] = "date-time" },
        _ when type == typeof(ResourceQuantity) => KnownSchemas.Quantity(),
        _ when type == typeof(IntOrString) => KnownSchemas.IntOrString(),
        { IsEnum: true } => new() { ["type"] = "string", ["enum"] = new JsonArray([.. NamesOf(type).Select(name => (JsonNode)name)]) },
        _ when type == typeof(float) || type == typeof(double) || type == typeof(decimal) =>
            throw new CrdException("the API has no floats (they do not survive every client unchanged); use a decimal string."),
        { IsPrimitive: true } => throw new CrdException($"{type.Name} has no format in OpenAPI; use int or long."),
        _ => null,
    };

    private static IEnumerable<string> NamesOf(Type type) =>
        type.GetFields(BindingFlags.Public | BindingFlags.Static)
            .Select(field => field.GetCustomAttribute<JsonStringEnumMemberNameAttribute>()?.Name ?? field.Name);

    private static Type[]? ElementOf(Type type, Type generic) =>
        type.GetInterfaces().Append(type)
            .FirstOrDefault(i => i.IsGenericType && i.GetGenericTypeDefinition() == generic)?.GetGenericArguments();
}
