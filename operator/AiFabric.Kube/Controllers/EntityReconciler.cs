using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>What to do about one key: which of the controller's and finalizers' methods to call, on which state.</summary>
internal sealed class EntityReconciler<TEntity>(
    IEntityController<TEntity> controller, IReadOnlyList<AttachedFinalizer<TEntity>> finalizers, IStore<TEntity> store,
    FinalizerWriter writer)
    where TEntity : class, IKubernetesObject<V1ObjectMeta>
{
    // Deletions seen but not yet told: the cache forgets the object at once, DeletedAsync needs its last state.
    private readonly ConcurrentDictionary<NamespacedName, TEntity> _gone = new();

    public void RememberDeleted(TEntity entity) => _gone[NamespacedName.Of(entity)] = entity;

    /// <returns>The result; null when there was nothing to call.</returns>
    public async Task<ReconciliationResult<TEntity>?> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_gone.TryGetValue(key, out TEntity? gone))
        {
            ReconciliationResult<TEntity> told = await controller.DeletedAsync(gone.DeepCopy(), cancellationToken);
            if (told.IsFailure || told.RequeueAfter is not null)
                return told;
            _gone.TryRemove(new(key, gone));
        }
        TEntity? cached = store.Get(key);
        if (cached is null)
            return null;
        TEntity entity = cached.DeepCopy();
        return entity.Metadata.DeletionTimestamp is null
            ? await controller.ReconcileAsync(await PrepareAsync(entity), cancellationToken)
            : await FinalizeAsync(entity, cancellationToken);
    }

    private async Task<TEntity> PrepareAsync(TEntity entity)
    {
        string[] missing = [.. finalizers.Select(f => f.Identifier).Where(id => entity.Metadata.Finalizers?.Contains(id) != true)];
        JsonObject? patch = controller.Prepare(entity);
        return missing.Length == 0 && patch is null ? entity : await writer.AttachAsync(entity, missing, patch);
    }

    private async Task<ReconciliationResult<TEntity>?> FinalizeAsync(TEntity entity, CancellationToken cancellationToken)
    {
        ReconciliationResult<TEntity>? result = null;
        foreach (AttachedFinalizer<TEntity> finalizer in finalizers)
        {
            if (entity.Metadata.Finalizers?.Contains(finalizer.Identifier) != true)
                continue;
            result = await finalizer.Finalizer.FinalizeAsync(entity, cancellationToken);
            if (result.IsFailure || result.RequeueAfter is not null)
                return result;
            if (await writer.DetachAsync(entity, finalizer.Identifier) is not { } left)
                return result;
            entity = left;
        }
        return result;
    }
}

/// <summary>A finalizer and the name it stands under in <c>metadata.finalizers</c>.</summary>
internal sealed record AttachedFinalizer<TEntity>(string Identifier, IEntityFinalizer<TEntity> Finalizer)
    where TEntity : class, IKubernetesObject<V1ObjectMeta>;
