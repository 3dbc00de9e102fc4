using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>
/// A local copy of all objects of one kind. Reads cost no request and may lag behind the server. The objects are shared:
/// never change one, change a copy (<see cref="EntityCopy.DeepCopy{T}"/>).
/// </summary>
public interface IStore<T>
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    /// <summary>True once the first list is in the cache; before that, "not there" means nothing.</summary>
    bool HasSynced { get; }

    /// <summary>The object of that key, or null.</summary>
    T? Get(NamespacedName key);

    /// <summary>The object of that name, or null.</summary>
    T? Get(string? @namespace, string name) => Get(new NamespacedName(@namespace, name));

    /// <summary>All objects, or those of one namespace, in no particular order.</summary>
    IReadOnlyList<T> List(string? @namespace = null);

    /// <summary>The objects for which the index <paramref name="index"/> gave <paramref name="value"/>.</summary>
    /// <exception cref="ArgumentException">No index of that name was added.</exception>
    IReadOnlyList<T> ByIndex(string index, string value);

    /// <summary>How many objects there are.</summary>
    int Count { get; }

    /// <summary>How many objects <see cref="ByIndex"/> would give.</summary>
    /// <exception cref="ArgumentException">No index of that name was added.</exception>
    int CountByIndex(string index, string value);

    /// <summary>The objects whose controller owner has this uid.</summary>
    IReadOnlyList<T> OwnedBy(string ownerUid) => ByIndex(Indexes.ControllerUid, ownerUid);
}

/// <summary>The indexes every store has.</summary>
public static class Indexes
{
    /// <summary>By the uid of the ownerReference that says <c>controller: true</c>.</summary>
    public const string ControllerUid = "controllerUid";

    /// <summary>By the namespace: a list of one costs nothing for the objects in all others.</summary>
    public const string Namespace = "namespace";
}
