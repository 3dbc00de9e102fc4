using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>Another kind whose changes make a controller look at its own objects.</summary>
internal abstract class WatchedKind
{
    public abstract Task WaitForSyncAsync(CancellationToken cancellationToken);

    public abstract IDisposable Subscribe(Action<NamespacedName> enqueue);
}

/// <inheritdoc/>
internal sealed class WatchedKind<TOther>(IInformer<TOther> informer, Func<TOther, IEnumerable<NamespacedName>> map) : WatchedKind
    where TOther : class, IKubernetesObject<V1ObjectMeta>
{
    public override Task WaitForSyncAsync(CancellationToken cancellationToken) => informer.WaitForSyncAsync(cancellationToken);

    public override IDisposable Subscribe(Action<NamespacedName> enqueue) => informer.Subscribe(change =>
    {
        // An object may have moved from one owner to another: both have to look.
        if (change.Old is { } old)
        {
            foreach (NamespacedName key in map(old))
                enqueue(key);
        }
        foreach (NamespacedName key in map(change.Object))
            enqueue(key);
    });
}

/// <summary>From an owned object to its owner.</summary>
internal static class OwnerMapping
{
    /// <summary>The key of the controller owner, if that is a <typeparamref name="TEntity"/> (of any version of its group).</summary>
    public static IEnumerable<NamespacedName> ToOwner<TEntity>(IKubernetesObject<V1ObjectMeta> owned, IStore<TEntity> owners)
        where TEntity : class, IKubernetesObject<V1ObjectMeta>
    {
        ResourceType type = ResourceType.Of<TEntity>();
        foreach (V1OwnerReference reference in owned.Metadata.OwnerReferences ?? [])
        {
            if (reference.Controller != true || reference.Kind != type.Kind || GroupOf(reference.ApiVersion) != type.Group)
                continue;
            // An owner is in the same namespace or cluster-scoped, and the reference does not say which.
            var beside = new NamespacedName(owned.Metadata.NamespaceProperty, reference.Name);
            var above = new NamespacedName(null, reference.Name);
            yield return owners.Get(beside) is null && owners.Get(above) is not null ? above : beside;
        }
    }

    private static string GroupOf(string? apiVersion) =>
        apiVersion?.IndexOf('/', StringComparison.Ordinal) is int slash and > 0 ? apiVersion[..slash] : string.Empty;
}
