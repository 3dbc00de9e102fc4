using AiFabric.Crds.Common;
using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Operator.Workers;

/// <summary>The worker pods of each model, from the shared cache.</summary>
internal sealed class WorkerPods
{
    private const string ModelIndex = "aifabric.io/model";

    private readonly IInformer<V1Pod> _pods;

    public WorkerPods(IInformer<V1Pod> pods)
    {
        _pods = pods;
        pods.AddIndex(ModelIndex, pod => ModelOf(pod) is { } model ? [model.ToString()] : []);
    }

    /// <summary>The model that a pod serves; null when it is no worker.</summary>
    public static NamespacedName? ModelOf(V1Pod pod) =>
        pod.Metadata.Labels is { } labels && labels.TryGetValue(Labels.Model, out string? model) && model.Length > 0
            ? new NamespacedName(pod.Metadata.NamespaceProperty, model)
            : null;

    /// <summary>The pods of a model, by name.</summary>
    public IReadOnlyList<WorkerPod> Of(string @namespace, string model) =>
    [
        .. _pods.ByIndex(ModelIndex, new NamespacedName(@namespace, model).ToString())
            .Select(WorkerPod.From)
            .OrderBy(pod => pod.Name, StringComparer.Ordinal),
    ];
}
