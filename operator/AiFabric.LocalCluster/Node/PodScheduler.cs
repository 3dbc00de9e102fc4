using AiFabric.LocalCluster.Controllers;
using AiFabric.LocalCluster.Controllers.Events;
using AiFabric.LocalCluster.Registry;
using k8s.Models;

namespace AiFabric.LocalCluster.Node;

/// <summary>Binds pods to the only node, unless they ask for something it has not.</summary>
internal sealed class PodScheduler(IClusterApi api, EventRecorder events, NodeOptions options, TimeProvider time, ILogger<PodScheduler> logger)
    : Controller(api, time, logger)
{
    protected override IReadOnlyList<WatchedType> Watches { get; } = [new("", "pods", item => [ObjectKey.Of(item)])];

    /// <summary>Why the node cannot take the pod; null when it can. CPU and memory are shared, so any amount fits; devices are not offered.</summary>
    internal static string? Refusal(V1Pod pod)
    {
        string[] known = ["cpu", "memory", "ephemeral-storage"];
        string? lacking = pod.Spec.Containers.Concat(pod.Spec.InitContainers ?? [])
            .SelectMany(c => (c.Resources?.Requests ?? new Dictionary<string, ResourceQuantity>()).Concat(c.Resources?.Limits ?? new Dictionary<string, ResourceQuantity>()))
            .Where(r => !known.Contains(r.Key) && r.Value.ToDecimal() > 0)
            .Select(r => r.Key)
            .FirstOrDefault();
        return lacking is null ? null : $"0/1 nodes are available: 1 Insufficient {lacking}.";
    }

    protected override TimeSpan? Reconcile(ObjectKey key)
    {
        if (Api.Get<V1Pod>(key.Namespace, key.Name) is not { Metadata.DeletionTimestamp: null } pod
            || !string.IsNullOrEmpty(pod.Spec.NodeName) || pod.Spec.SchedulingGates?.Count > 0)
        {
            return null;
        }

        if (Refusal(pod) is { } refusal)
        {
            Refuse(pod, refusal);
            return null;
        }

        Api.Modify<V1Pod>(key.Namespace, key.Name, item =>
        {
            item["metadata"]!["resourceVersion"] = pod.Metadata.ResourceVersion;
            item["spec"]!["nodeName"] = options.Name;
        });
        events.Normal(pod, "Scheduled", $"Successfully assigned {key.Namespace}/{key.Name} to {options.Name}");
        return null;
    }

    private void Refuse(V1Pod pod, string refusal)
    {
        V1PodStatus status = pod.Status ?? new V1PodStatus();
        V1PodCondition? before = status.Conditions?.FirstOrDefault(c => c.Type == "PodScheduled");
        if (before is { Status: "False" } && before.Message == refusal)
        {
            return;
        }

        status.Phase ??= "Pending";
        status.Conditions =
        [
            .. (status.Conditions ?? []).Where(c => c.Type != "PodScheduled"),
            new V1PodCondition { Type = "PodScheduled", Status = "False", Reason = "Unschedulable", Message = refusal, LastTransitionTime = Now.UtcDateTime },
        ];
        Api.WriteStatus(pod, status);
        events.Warning(pod, "FailedScheduling", refusal);
    }
}
