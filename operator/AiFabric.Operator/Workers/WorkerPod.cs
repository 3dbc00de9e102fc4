using AiFabric.Crds.Common;
using k8s.Models;

namespace AiFabric.Operator.Workers;

/// <summary>A worker pod as the cluster describes it.</summary>
internal sealed record WorkerPod
{
    /// <summary>Name of the worker's container in every pod.</summary>
    public const string ContainerName = "worker";

    public required string Namespace { get; init; }

    public required string Name { get; init; }

    public required string Uid { get; init; }

    /// <summary>Name of the CoServedModel; empty when the label is missing.</summary>
    public required string Model { get; init; }

    public required string Revision { get; init; }

    public string? Ip { get; init; }

    /// <summary>The worker serves, whether or not the gateways know of it already (see <see cref="PodReadiness.MayServe"/>).</summary>
    public bool Ready { get; init; }

    /// <summary>The pod's own Ready condition, for which Services and Deployments wait: the worker serves, and its readiness gates hold.</summary>
    public bool PodReady { get; init; }

    /// <summary>Whether the pod waits for <see cref="PodConditions.Routable"/> before it is Ready.</summary>
    public bool Gated { get; init; }

    /// <summary>Whether the pod is marked as routable.</summary>
    public bool Routable { get; init; }

    public bool Terminating { get; init; }

    /// <summary>The worker's process runs, ready or not.</summary>
    public bool Running { get; init; }

    /// <summary>Restarts of the worker: with the uid it names one process.</summary>
    public int Restarts { get; init; }

    /// <summary>Null while nothing is known to be wrong.</summary>
    public PodProblem? Problem { get; init; }

    public V1PodSpec? Spec { get; init; }

    /// <summary>Whether it can be asked anything.</summary>
    public bool Reachable => Ready && !string.IsNullOrEmpty(Ip);

    public static WorkerPod From(V1Pod pod)
    {
        V1ContainerStatus? worker = pod.Status?.ContainerStatuses?.FirstOrDefault(status => status.Name == ContainerName);
        bool terminating = PodProblem.IsLeaving(pod);
        bool ready = PodReadiness.MayServe(pod);
        return new WorkerPod
        {
            Namespace = pod.Metadata.NamespaceProperty ?? string.Empty,
            Name = pod.Metadata.Name,
            Uid = pod.Metadata.Uid ?? string.Empty,
            Model = Label(pod, Labels.Model),
            Revision = Label(pod, Labels.Revision),
            Ip = pod.Status?.PodIP,
            Ready = ready,
            PodReady = ready && PodReadiness.Holds(pod, "Ready"),
            Gated = pod.Spec?.ReadinessGates?.Any(gate => gate.ConditionType == PodConditions.Routable) == true,
            Routable = PodReadiness.Holds(pod, PodConditions.Routable),
            Terminating = terminating,
            Running = !terminating && worker?.State?.Running is not null,
            Restarts = worker?.RestartCount ?? 0,
            Problem = PodProblem.Of(pod),
            Spec = pod.Spec,
        };
    }

    private static string Label(V1Pod pod, string key) =>
        pod.Metadata.Labels is { } labels && labels.TryGetValue(key, out string? value) ? value : string.Empty;
}
