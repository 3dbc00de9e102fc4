using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>
/// Keeps an <see cref="IStore{T}"/> in step with the API server (list, then watch from there, for ever) and tells what changed.
/// One informer per kind and scope is shared by all who read it.
/// </summary>
public interface IInformer<T> : IStore<T>
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    /// <summary>False while the API server does not know the kind, which only an optional informer bears: it then counts as synced and empty.</summary>
    bool IsServed { get; }

    /// <summary>Adds an index; objects already cached are indexed at once.</summary>
    /// <param name="name">What <see cref="IStore{T}.ByIndex"/> asks for.</param>
    /// <param name="values">The values under which an object is found. Must be pure.</param>
    void AddIndex(string name, Func<T, IEnumerable<string>> values);

    /// <summary>
    /// Calls <paramref name="handler"/> for each change, one at a time and in order, first with an Added for each object already
    /// cached. It runs on the informer's loop: it must be quick and must not throw.
    /// </summary>
    /// <returns>Dispose to hear no more.</returns>
    IDisposable Subscribe(Action<StoreChange<T>> handler);

    /// <summary>Completes when <see cref="IStore{T}.HasSynced"/> turns true.</summary>
    Task WaitForSyncAsync(CancellationToken cancellationToken);
}

/// <summary>How an object in a store changed.</summary>
public enum StoreChangeKind
{
    Added,
    Updated,
    Deleted,
}

/// <summary>One change of a store.</summary>
/// <param name="Kind">How it changed.</param>
/// <param name="Object">The object now, or its last known state when deleted.</param>
/// <param name="Old">The object before an update; null otherwise.</param>
public sealed record StoreChange<T>(StoreChangeKind Kind, T Object, T? Old = null)
    where T : class, IKubernetesObject<V1ObjectMeta>;
