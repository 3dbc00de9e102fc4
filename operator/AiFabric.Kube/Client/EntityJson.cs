using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>Objects to JSON and back, with apiVersion and kind filled in (items of a list come without).</summary>
internal static class EntityJson
{
    /// <summary>Metadata that only the server writes; an apply that sends it would claim to own it.</summary>
    private static readonly string[] ServerMetadata =
        ["managedFields", "uid", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"];

    public static JsonObject Write<T>(T entity)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        Complete(entity);
        // An object is never serialized as anything else than a JSON object.
        return (JsonObject)JsonNode.Parse(KubernetesJson.Serialize(entity))!;
    }

    public static JsonObject WriteForApply<T>(T entity)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        JsonObject body = Write(entity);
        body.Remove("status");
        if (body["metadata"] is JsonObject metadata)
        {
            foreach (string field in ServerMetadata)
                metadata.Remove(field);
        }
        return body;
    }

    public static JsonObject WriteStatusForApply<T>(T entity)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        JsonObject whole = Write(entity);
        var metadata = new JsonObject { ["name"] = entity.Metadata.Name };
        if (entity.Metadata.NamespaceProperty is { } space)
            metadata["namespace"] = space;
        JsonNode? status = whole["status"];
        whole.Remove("status");
        return new JsonObject
        {
            ["apiVersion"] = entity.ApiVersion,
            ["kind"] = entity.Kind,
            ["metadata"] = metadata,
            ["status"] = status ?? new JsonObject(),
        };
    }

    /// <exception cref="JsonException">The JSON does not fit the type.</exception>
    public static T Read<T>(JsonElement json)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        T entity = TypedJson.Read<T>(json) ?? throw new JsonException("The server sent null in place of an object.");
        entity.Metadata ??= new V1ObjectMeta();
        return Complete(entity);
    }

    private static T Complete<T>(T entity)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        ResourceType type = ResourceType.Of<T>();
        entity.ApiVersion = type.ApiVersion;
        entity.Kind = type.Kind;
        return entity;
    }
}
