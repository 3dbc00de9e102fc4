using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>Attaches and detaches finalizers. These commits are not cancellable: half a detach is a stuck object.</summary>
internal sealed class FinalizerWriter(IKubernetesClient client)
{
    private const int Tries = 5;

    /// <exception cref="KubernetesApiException">A conflict when the cache lagged behind: to be tried again later.</exception>
    public Task<TEntity> AttachAsync<TEntity>(TEntity entity, IEnumerable<string> identifiers)
        where TEntity : class, IKubernetesObject<V1ObjectMeta> =>
        WriteAsync(entity, [.. entity.Metadata.Finalizers ?? [], .. identifiers]);

    /// <returns>The object without the finalizer; null when it is gone.</returns>
    public async Task<TEntity?> DetachAsync<TEntity>(TEntity entity, string identifier)
        where TEntity : class, IKubernetesObject<V1ObjectMeta>
    {
        for (int attempt = 1; ; attempt++)
        {
            // Read anew: the finalizer itself may have written to the object, and others may have detached theirs.
            TEntity? current = await client.GetAsync<TEntity>(entity.Metadata.Name, entity.Metadata.NamespaceProperty, CancellationToken.None);
            if (current is null || current.Metadata.Uid != entity.Metadata.Uid)
                return null;
            if (current.Metadata.Finalizers?.Contains(identifier) != true)
                return current;
            try
            {
                return await WriteAsync(current, [.. current.Metadata.Finalizers.Where(other => other != identifier)]);
            }
            catch (KubernetesApiException e) when (e.IsNotFound)
            {
                return null;
            }
            catch (KubernetesApiException e) when (e.IsConflict && attempt < Tries)
            {
                // Written by someone between our read and our write: look again.
            }
        }
    }

    private Task<TEntity> WriteAsync<TEntity>(TEntity entity, string[] finalizers)
        where TEntity : class, IKubernetesObject<V1ObjectMeta>
    {
        var patch = new JsonObject
        {
            ["metadata"] = new JsonObject
            {
                ["finalizers"] = new JsonArray([.. finalizers.Select(name => (JsonNode)name)]),
                ["resourceVersion"] = entity.Metadata.ResourceVersion,
            },
        };
        return client.PatchAsync<TEntity>(entity.Metadata.Name, entity.Metadata.NamespaceProperty, patch, CancellationToken.None);
    }
}
