using AiFabric.Crds.Common;
using AiFabric.Operator.Conditions;
using k8s.Models;

namespace AiFabric.Operator.Workers;

/// <summary>What keeps a pod from serving.</summary>
/// <param name="Reason">CamelCase, for machines (see <see cref="Reasons"/>).</param>
/// <param name="Message">A sentence for people. It names the pod.</param>
internal sealed record PodProblem(string Reason, string Message)
{
    /// <summary>Exit code of a process that SIGKILL ended: 128 and the signal's number.</summary>
    private const int Killed = 128 + 9;

    /// <summary>What is known to be wrong with a pod; null for nothing. Of several containers the one that is to be ready first is told of.</summary>
    public static PodProblem? Of(V1Pod pod)
    {
        if (PodReadiness.MayServe(pod) || IsLeaving(pod))
            return null;
        V1PodCondition? scheduled = pod.Status?.Conditions?.FirstOrDefault(condition => condition.Type == "PodScheduled");
        if (scheduled is { Status: "False", Reason: "Unschedulable" })
            return new PodProblem(Reasons.Unschedulable, $"pod {pod.Metadata.Name}: {scheduled.Message}");
        return (pod.Status?.InitContainerStatuses ?? []).Concat(pod.Status?.ContainerStatuses ?? [])
            .Where(container => !container.Ready)
            .Select(container => Of($"pod {pod.Metadata.Name}", container))
            .FirstOrDefault(problem => problem is not null);
    }

    /// <summary>Why the API server makes no further pods of a Deployment (a quota, admission), which that knows; null while it does.</summary>
    public static PodProblem? OfCreation(V1Deployment? deployment)
    {
        // What the Deployment says of an earlier generation says nothing of this one.
        if (deployment?.Status is not { } status || status.ObservedGeneration < deployment.Metadata.Generation)
            return null;
        V1DeploymentCondition? refused = status.Conditions?.FirstOrDefault(condition => condition is { Type: "ReplicaFailure", Status: "True" });
        return refused is null ? null : new PodProblem(Reasons.PodsRefused, refused.Message ?? "pods cannot be created");
    }

    /// <summary>Whether a pod is on its way out, or ended.</summary>
    public static bool IsLeaving(V1Pod pod) => pod.Metadata.DeletionTimestamp is not null || pod.Status?.Phase is "Succeeded" or "Failed";

    private static PodProblem? Of(string pod, V1ContainerStatus container)
    {
        V1ContainerStateWaiting? waiting = container.State?.Waiting;
        if (waiting?.Reason is "ErrImagePull" or "ImagePullBackOff" or "InvalidImageName" or "ErrImageNeverPull")
            return new PodProblem(Reasons.ImagePullBackOff, $"{pod}: image {container.Image}: {FirstLine(waiting.Message) ?? waiting.Reason}");
        if (waiting?.Reason is "CreateContainerConfigError" or "CreateContainerError" or "RunContainerError")
            return new PodProblem(waiting.Reason, $"{pod}: {FirstLine(waiting.Message) ?? waiting.Reason}");
        V1ContainerStateTerminated? ended = container.State?.Terminated ?? container.LastState?.Terminated;
        return ended is null or { ExitCode: 0 } ? null : Ended(pod, container.Name, ended);
    }

    /// <summary>
    /// A worker that refuses its model ends with a small exit code and one line that says why; a crash ends by a signal (128 and more)
    /// or says nothing.
    /// </summary>
    private static PodProblem Ended(string pod, string container, V1ContainerStateTerminated ended)
    {
        bool isWorker = container == WorkerPod.ContainerName;
        string who = isWorker ? "the worker" : $"container {container}";
        if (ended.Reason == Reasons.OutOfMemory)
            return new PodProblem(Reasons.OutOfMemory, $"{pod}: {who} was killed for using more memory than its limit");
        // Nobody who is killed can say why: the last line is of what it happened to do.
        string? line = ended.ExitCode == Killed ? null : LastLine(ended.Message);
        return isWorker && line is not null && ended.ExitCode < 128
            ? new PodProblem(Reasons.ModelLoadFailed, $"{pod}: {line}")
            : new PodProblem(
                Reasons.CrashLoopBackOff, $"{pod}: {who} ended with exit code {ended.ExitCode}{(line is null ? string.Empty : ": " + line)}");
    }

    private static string? FirstLine(string? text) => Lines(text).FirstOrDefault();

    private static string? LastLine(string? text) => Lines(text).LastOrDefault();

    private static string[] Lines(string? text) =>
        (text ?? string.Empty).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
