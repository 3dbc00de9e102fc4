using AiFabric.Crds.Common;
using k8s.Models;

namespace AiFabric.Gateway.Routing;

/// <summary>Reads a worker pod. Pure.</summary>
public static class PodReader
{
    /// <summary>The pod as a routing candidate; null when it is not a worker, not ready, or on its way out.</summary>
    public static WorkerPod? Read(V1Pod pod)
    {
        if (!PodReadiness.MayServe(pod) || string.IsNullOrEmpty(pod.Status?.PodIP)
            || pod.Metadata.Labels is not { } labels || !labels.TryGetValue(Labels.Model, out string? model))
        {
            return null;
        }

        string host = pod.Status.PodIP.Contains(':', StringComparison.Ordinal) ? $"[{pod.Status.PodIP}]" : pod.Status.PodIP;
        return new WorkerPod
        {
            Uid = pod.Metadata.Uid,
            Name = pod.Metadata.Name,
            Model = new ModelKey(pod.Metadata.NamespaceProperty, model),
            ServedName = pod.Metadata.Annotations?.TryGetValue(Annotations.ServedName, out string? served) == true ? served : model,
            Revision = labels.TryGetValue(Labels.Revision, out string? revision) ? revision : string.Empty,
            Address = new Uri($"http://{host}:{ServingPort(pod)}"),
        };
    }

    private static int ServingPort(V1Pod pod) =>
        pod.Spec?.Containers?.SelectMany(c => c.Ports ?? []).FirstOrDefault(p => p.Name == Ports.Serving)?.ContainerPort
        ?? Ports.ServingNumber;
}
