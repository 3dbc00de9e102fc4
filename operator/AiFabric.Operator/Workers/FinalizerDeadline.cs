using k8s;
using k8s.Models;

namespace AiFabric.Operator.Workers;

/// <summary>How long a silent worker may hold up a deletion.</summary>
internal static class FinalizerDeadline
{
    public static bool IsOver(IKubernetesObject<V1ObjectMeta> entity, OperatorOptions options, TimeProvider time) =>
        entity.Metadata.DeletionTimestamp is { } since
        && time.GetUtcNow().UtcDateTime - since.ToUniversalTime() > TimeSpan.FromSeconds(options.UnreachableSeconds);
}
