using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>Tells changes that ask for a reconciliation from those that only report one (status).</summary>
internal static class ChangeFilter
{
    public static bool IsMeaningful(IKubernetesObject<V1ObjectMeta> old, IKubernetesObject<V1ObjectMeta> now)
    {
        V1ObjectMeta a = old.Metadata;
        V1ObjectMeta b = now.Metadata;
        // Kinds without a generation do not tell spec from status.
        return b.Generation is null || a.Generation != b.Generation
            || a.DeletionTimestamp != b.DeletionTimestamp
            || !Same(a.Labels, b.Labels) || !Same(a.Annotations, b.Annotations)
            || !(a.Finalizers ?? []).SequenceEqual(b.Finalizers ?? []);
    }

    private static bool Same(IDictionary<string, string>? a, IDictionary<string, string>? b) =>
        (a?.Count ?? 0) == (b?.Count ?? 0)
        && (a is null || b is null || a.All(entry => b.TryGetValue(entry.Key, out string? value) && value == entry.Value));
}
