using System.IO.Hashing;
using System.Text;
using AiFabric.Crds.Common;
using AiFabric.Gateway.Routing;
using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>A pod that runs a function stage.</summary>
public sealed record FunctionReplica(string Uid, Uri Address);

/// <summary>The pods behind function stages, from the watch.</summary>
public sealed class FunctionReplicas(IStore<V1Pod> pods)
{
    /// <summary>The replicas of a stage that may be asked, by uid.</summary>
    public IReadOnlyList<FunctionReplica> Of(ModelKey pipeline, string stage) =>
        [.. pods.List(pipeline.Namespace).Where(pod => Is(pod, pipeline.Name, stage)).Select(Read).OfType<FunctionReplica>().OrderBy(replica => replica.Uid, StringComparer.Ordinal)];

    /// <summary>
    /// The replica for a group: the one whose hash with the key is highest. When replicas come or go, only the groups of those change their
    /// place (rendezvous hashing, Thaler and Ravishankar 1998).
    /// </summary>
    public static FunctionReplica? Choose(IReadOnlyList<FunctionReplica> replicas, string key, IReadOnlySet<string> tried) => Untried(replicas, tried)
        .MaxBy(replica => XxHash64.HashToUInt64(Encoding.UTF8.GetBytes($"{replica.Uid}/{key}")));

    /// <summary>Those that did not fail the call yet; when all did, all: what failed may have been the connection only.</summary>
    public static IReadOnlyList<FunctionReplica> Untried(IReadOnlyList<FunctionReplica> replicas, IReadOnlySet<string> tried) =>
        replicas.Where(replica => !tried.Contains(replica.Uid)).ToList() is { Count: > 0 } untried ? untried : replicas;

    private static bool Is(V1Pod pod, string pipeline, string stage) => pod.Metadata.Labels is { } labels
        && labels.TryGetValue(Labels.Pipeline, out string? owner) && owner == pipeline && labels.TryGetValue(Labels.Stage, out string? part) && part == stage;

    private static FunctionReplica? Read(V1Pod pod)
    {
        if (!PodReadiness.MayServe(pod) || string.IsNullOrEmpty(pod.Status?.PodIP))
            return null;
        string host = pod.Status.PodIP.Contains(':', StringComparison.Ordinal) ? $"[{pod.Status.PodIP}]" : pod.Status.PodIP;
        int port = pod.Spec?.Containers?.SelectMany(container => container.Ports ?? []).FirstOrDefault()?.ContainerPort ?? Ports.FunctionNumber;
        return new FunctionReplica(pod.Metadata.Uid, new Uri($"http://{host}:{port}/"));
    }
}
