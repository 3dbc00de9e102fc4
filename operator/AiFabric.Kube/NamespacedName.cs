using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>The key of one object among those of its kind: what queues carry and caches are asked by.</summary>
/// <param name="Namespace">The namespace; null for a cluster-scoped object.</param>
/// <param name="Name">The object's name.</param>
public readonly record struct NamespacedName(string? Namespace, string Name)
{
    /// <summary>The key of <paramref name="entity"/>.</summary>
    public static NamespacedName Of(IKubernetesObject<V1ObjectMeta> entity)
    {
        ArgumentNullException.ThrowIfNull(entity);
        return new(entity.Metadata.NamespaceProperty, entity.Metadata.Name);
    }

    /// <summary><c>namespace/name</c>, or the bare name of a cluster-scoped object.</summary>
    public override string ToString() => Namespace is null ? Name : $"{Namespace}/{Name}";
}
