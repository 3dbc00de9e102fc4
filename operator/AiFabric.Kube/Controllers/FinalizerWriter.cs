using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>Attaches and detaches finalizers. These commits are not cancellable: half a detach is a stuck object.</summary>
internal sealed class FinalizerWriter(IKubernetesClient client)
{
    private const int Tries = 5;

    /// <param name="entity">As cached.</param>
    /// <param name="identifiers">The finalizers it lacks.</param>
    /// <param name="more">A merge patch to send along; null for none.</param>
    /// <exception cref="KubernetesApiException">A conflict when the cache lagged behind: to be tried again later.</exception>
    public Task<TEntity> AttachAsync<TEntity>(TEntity entity, IReadOnlyCollection<string> identifiers, JsonObject? more)
        where TEntity : class, IKubernetesObject<V1ObjectMeta> =>
        identifiers.Count == 0 && more is not null
            ? client.PatchAsync<TEntity>(entity.Metadata.Name, entity.Metadata.NamespaceProperty, more, CancellationToken.None)
            : WriteAsync(entity, [.. entity.Metadata.Finalizers ?? [], .. identifiers], more);

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

    private Task<TEntity> WriteAsync<TEntity>(TEntity entity, string[] finalizers, JsonObject? more = null)
        where TEntity : class, IKubernetesObject<V1ObjectMeta>
    {
        JsonObject patch = more ?? [];
        if (patch["metadata"] is not JsonObject metadata)
            patch["metadata"] = metadata = [];
        metadata["finalizers"] = new JsonArray([.. finalizers.Select(name => (JsonNode)name)]);
        metadata["resourceVersion"] = entity.Metadata.ResourceVersion;
        return client.PatchAsync<TEntity>(entity.Metadata.Name, entity.Metadata.NamespaceProperty, patch, CancellationToken.None);
    }
}
