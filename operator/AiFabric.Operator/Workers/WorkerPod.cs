using AiFabric.Crds.Common;
using AiFabric.Operator.Conditions;
using k8s.Models;

namespace AiFabric.Operator.Workers;

/// <summary>What keeps a pod from serving.</summary>
internal sealed record PodProblem(string Reason, string Message);

/// <summary>A worker pod as the cluster describes it.</summary>
internal sealed record WorkerPod
{
    /// <summary>Name of the worker's container in every pod.</summary>
    public const string ContainerName = "worker";

    /// <summary>Exit code of a process that SIGKILL ended: 128 and the signal's number.</summary>
    private const int Killed = 128 + 9;

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
        bool terminating = pod.Metadata.DeletionTimestamp is not null || pod.Status?.Phase is "Succeeded" or "Failed";
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
            Problem = ready || terminating ? null : FindProblem(pod, worker),
            Spec = pod.Spec,
        };
    }

    private static string Label(V1Pod pod, string key) =>
        pod.Metadata.Labels is { } labels && labels.TryGetValue(key, out string? value) ? value : string.Empty;

    private static PodProblem? FindProblem(V1Pod pod, V1ContainerStatus? worker)
    {
        V1PodCondition? scheduled = pod.Status?.Conditions?.FirstOrDefault(condition => condition.Type == "PodScheduled");
        if (scheduled is { Status: "False", Reason: "Unschedulable" })
            return new PodProblem(Reasons.Unschedulable, $"pod {pod.Metadata.Name}: {scheduled.Message}");
        V1ContainerStateWaiting? waiting = worker?.State?.Waiting;
        if (waiting?.Reason is "ErrImagePull" or "ImagePullBackOff" or "InvalidImageName" or "ErrImageNeverPull")
            return new PodProblem(Reasons.ImagePullBackOff, $"pod {pod.Metadata.Name}: image {worker?.Image}: {FirstLine(waiting.Message) ?? waiting.Reason}");
        if (waiting?.Reason is "CreateContainerConfigError" or "CreateContainerError" or "RunContainerError")
            return new PodProblem(waiting.Reason, $"pod {pod.Metadata.Name}: {FirstLine(waiting.Message) ?? waiting.Reason}");
        V1ContainerStateTerminated? ended = worker?.State?.Terminated ?? worker?.LastState?.Terminated;
        return ended is null or { ExitCode: 0 } ? null : Ended(pod, ended);
    }

    /// <summary>
    /// A worker that refuses its model ends with a small exit code and one line that says why; a crash ends by a signal (128 and more)
    /// or says nothing.
    /// </summary>
    private static PodProblem Ended(V1Pod pod, V1ContainerStateTerminated ended)
    {
        if (ended.Reason == Reasons.OutOfMemory)
            return new PodProblem(Reasons.OutOfMemory, $"pod {pod.Metadata.Name}: the worker was killed for using more memory than its limit");
        // Nobody who is killed can say why: the last line is of what it happened to do.
        string? line = ended.ExitCode == Killed ? null : LastLine(ended.Message);
        return line is not null && ended.ExitCode < 128
            ? new PodProblem(Reasons.ModelLoadFailed, $"pod {pod.Metadata.Name}: {line}")
            : new PodProblem(
                Reasons.CrashLoopBackOff,
                $"pod {pod.Metadata.Name}: the worker ended with exit code {ended.ExitCode}{(line is null ? string.Empty : ": " + line)}");
    }

    private static string? FirstLine(string? text) => Lines(text).FirstOrDefault();

    private static string? LastLine(string? text) => Lines(text).LastOrDefault();

    private static string[] Lines(string? text) =>
        (text ?? string.Empty).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
