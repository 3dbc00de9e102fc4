using System.Reflection;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;
using k8s;
using k8s.Models;

namespace AiFabric.LocalCluster.Controllers;

/// <summary>The cluster's objects as KubernetesClient's models; a status is written only when it differs from the stored one.</summary>
internal sealed class TypedApi(IClusterApi api)
{
    public IClusterApi Raw => api;

    /// <summary>The registered type of <typeparamref name="T"/>.</summary>
    /// <exception cref="InvalidOperationException">The API server does not serve it.</exception>
    public ResourceType TypeOf<T>()
        where T : IKubernetesObject<V1ObjectMeta>
    {
        KubernetesEntityAttribute entity = typeof(T).GetCustomAttribute<KubernetesEntityAttribute>()
            ?? throw new InvalidOperationException($"{typeof(T).Name} is not a Kubernetes resource");
        return api.FindType(entity.Group ?? "", entity.PluralName)
            ?? throw new InvalidOperationException($"the API server does not serve {entity.PluralName}.{entity.Group}");
    }

    public T? Get<T>(string? ns, string name)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        api.Get(TypeOf<T>(), ns, name) is { } found ? Parse<T>(found) : null;

    public IReadOnlyList<T> List<T>(string? ns = null, string? labelSelector = null)
        where T : IKubernetesObject<V1ObjectMeta> =>
        [.. api.List(TypeOf<T>(), ns, labelSelector).Items.Select(Parse<T>)];

    /// <summary>The objects of <paramref name="ns"/> whose controller is the object with this uid.</summary>
    public IReadOnlyList<T> OwnedBy<T>(string ns, string uid)
        where T : IKubernetesObject<V1ObjectMeta> =>
        [.. List<T>(ns).Where(item => item.Metadata.OwnerReferences?.Any(o => o.Uid == uid && o.Controller == true) == true)];

    public T Create<T>(T item)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        KubernetesEntityAttribute entity = typeof(T).GetCustomAttribute<KubernetesEntityAttribute>()!; // TypeOf has checked it
        ResourceType type = TypeOf<T>();
        item.Kind = entity.Kind;
        item.ApiVersion = type.Group.Length == 0 ? type.Version : $"{type.Group}/{type.Version}";
        return Parse<T>(api.Create(type, item.Metadata.NamespaceProperty, ToJson(item)));
    }

    /// <summary>Reads the object, lets <paramref name="change"/> edit its JSON (fields unknown to the models survive) and writes it when it differs.</summary>
    /// <exception cref="ApiException">The object is gone or was changed by someone else meanwhile.</exception>
    public void Modify<T>(string? ns, string name, Action<JsonObject> change, string? subresource = null)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        ResourceType type = TypeOf<T>();
        if (api.Get(type, ns, name) is not { } current)
        {
            return;
        }

        var edited = (JsonObject)current.DeepClone();
        change(edited);
        if (!JsonNode.DeepEquals(current, edited))
        {
            api.Update(type, ns, name, edited, subresource);
        }
    }

    /// <summary>Writes the status of what was <paramref name="observed"/>, unless the stored one says the same.</summary>
    /// <exception cref="ApiException">Conflict: the object has changed since it was observed.</exception>
    public void WriteStatus<T>(T observed, object status)
        where T : IKubernetesObject<V1ObjectMeta> =>
        Modify<T>(observed.Metadata.NamespaceProperty, observed.Metadata.Name, current =>
        {
            if (current["metadata"]?["uid"]?.GetValue<string>() != observed.Metadata.Uid)
            {
                return;
            }

            JsonNode wanted = ToJson(status);
            if (!JsonNode.DeepEquals(current["status"], wanted))
            {
                current["status"] = wanted;
                current["metadata"]!["resourceVersion"] = observed.Metadata.ResourceVersion;
            }
        }, "status");

    public void Delete<T>(T item, DeleteRequest? options = null)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        try
        {
            api.Delete(TypeOf<T>(), item.Metadata.NamespaceProperty, item.Metadata.Name, options);
        }
        catch (ApiException gone) when (gone.Code == 404)
        {
            // Someone else was faster; the wish is fulfilled.
        }
    }

    public static T Parse<T>(JsonObject item) => KubernetesJson.Deserialize<T>(item.ToJsonString());

    public static JsonObject ToJson(object item) => (JsonObject)JsonNode.Parse(KubernetesJson.Serialize(item))!;

    /// <summary>A reference that makes <paramref name="owner"/> the controller of a new object.</summary>
    public static V1OwnerReference ControllerReference<T>(T owner)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        KubernetesEntityAttribute entity = typeof(T).GetCustomAttribute<KubernetesEntityAttribute>()!; // only called with models
        return new V1OwnerReference
        {
            ApiVersion = string.IsNullOrEmpty(entity.Group) ? entity.ApiVersion : $"{entity.Group}/{entity.ApiVersion}",
            Kind = entity.Kind,
            Name = owner.Metadata.Name,
            Uid = owner.Metadata.Uid,
            Controller = true,
            BlockOwnerDeletion = true,
        };
    }
}
