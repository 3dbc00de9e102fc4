using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>Copies of shared objects.</summary>
public static class EntityCopy
{
    /// <summary>A copy that shares nothing with <paramref name="entity"/>, made by way of JSON.</summary>
    public static T DeepCopy<T>(this T entity)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        ArgumentNullException.ThrowIfNull(entity);
        return KubernetesJson.Deserialize<T>(KubernetesJson.Serialize(entity));
    }
}
