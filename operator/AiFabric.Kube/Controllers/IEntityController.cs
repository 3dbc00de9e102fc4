using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>
/// Brings the world in line with one kind of object (KubeOps' shape). Never runs twice at the same time for one object.
/// </summary>
public interface IEntityController<TEntity>
    where TEntity : class, IKubernetesObject<V1ObjectMeta>
{
    /// <summary>
    /// Called when the object, something it owns or something it watches changed, after a requested delay, and on each resync. Must
    /// be idempotent, and write nothing when nothing has to change. An exception counts as a failure and is retried.
    /// </summary>
    /// <param name="entity">A private copy of the cached object; not yet marked for deletion.</param>
    /// <param name="cancellationToken">Signalled when the operator stops or is no longer the leader.</param>
    Task<ReconciliationResult<TEntity>> ReconcileAsync(TEntity entity, CancellationToken cancellationToken);

    /// <summary>
    /// Metadata that has to stand on the object before its reconciliation, as a merge patch; null when it does. Written together with the
    /// finalizers, for every write costs the cluster. Must be pure.
    /// </summary>
    /// <param name="entity">The object as cached.</param>
    JsonObject? Prepare(TEntity entity) => null;

    /// <summary>
    /// Called after the object is gone. For clearing local state only: it is not called for objects that vanish while no operator
    /// runs. What must happen before deletion belongs into an <see cref="IEntityFinalizer{TEntity}"/>.
    /// </summary>
    /// <param name="entity">The last known state.</param>
    /// <param name="cancellationToken">Signalled when the operator stops or is no longer the leader.</param>
    Task<ReconciliationResult<TEntity>> DeletedAsync(TEntity entity, CancellationToken cancellationToken);
}

/// <summary>
/// Work to do before an object may vanish (KubeOps' shape). Its name stands in <c>metadata.finalizers</c> from before the first
/// reconciliation until <see cref="FinalizeAsync"/> succeeds.
/// </summary>
public interface IEntityFinalizer<TEntity>
    where TEntity : class, IKubernetesObject<V1ObjectMeta>
{
    /// <summary>Cleans up. Success removes the finalizer; failure, or a success with a delay, keeps it and calls again.</summary>
    /// <param name="entity">A private copy of the object, marked for deletion.</param>
    /// <param name="cancellationToken">Signalled when the operator stops or is no longer the leader.</param>
    Task<ReconciliationResult<TEntity>> FinalizeAsync(TEntity entity, CancellationToken cancellationToken);
}
