using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Controllers;
using AiFabric.LocalCluster.Node.Probes;
using k8s.Models;

namespace AiFabric.LocalCluster.Node.Pods;

/// <summary>Computes a pod's status from what the node knows.</summary>
internal static class PodStatus
{
    private const string HostIp = "127.0.0.1";

    private static readonly string[] OwnConditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"];

    public static V1PodStatus Of(V1Pod pod, PodRecord record, Func<string, ProbeVerdict> probes, RestartBackoff backoff, DateTimeOffset now)
    {
        string phase = Phase(pod, record);
        bool initialised = Initialised(pod, record);
        List<V1ContainerStatus> containers = [.. pod.Spec.Containers.Select(c => Container(pod, c, record.Container(c.Name), probes(c.Name), initialised, backoff, now))];
        List<V1ContainerStatus>? init = pod.Spec.InitContainers?.Count > 0
            ? [.. pod.Spec.InitContainers.Select(c => InitContainer(pod, c, record.Container(c.Name), backoff, now))]
            : null;
        return new V1PodStatus
        {
            Phase = phase,
            Reason = record.FailedReason,
            Message = record.FailedMessage,
            QosClass = pod.Status?.QosClass ?? "BestEffort",
            HostIP = HostIp,
            HostIPs = [new V1HostIP { Ip = HostIp }],
            PodIP = record.Ip,
            PodIPs = [new V1PodIP { Ip = record.Ip }],
            StartTime = WireTime.Seconds(record.StartTime).UtcDateTime,
            ObservedGeneration = pod.Metadata.Generation,
            InitContainerStatuses = init,
            ContainerStatuses = containers,
            Conditions = Conditions(pod, phase, initialised, containers, now),
        };
    }

    /// <summary><paramref name="mine"/> with the conditions that are not the node's as <paramref name="theirs"/> has them.</summary>
    public static V1PodStatus WithOthers(V1PodStatus mine, V1PodStatus? theirs)
    {
        IEnumerable<V1PodCondition> others = (theirs?.Conditions ?? []).Where(c => !OwnConditions.Contains(c.Type));
        mine.Conditions = [.. (mine.Conditions ?? []).Where(c => OwnConditions.Contains(c.Type)), .. others];
        return mine;
    }

    /// <summary>The same on a stored status.</summary>
    public static JsonNode WithOthers(JsonObject mine, JsonNode? theirs)
    {
        bool IsOwn(JsonNode? condition) => condition?["type"]?.GetValue<string>() is { } type && OwnConditions.Contains(type);
        JsonObject merged = (JsonObject)mine.DeepClone();
        merged["conditions"] = new JsonArray(
        [
            .. (mine["conditions"] as JsonArray ?? []).Where(IsOwn).Select(c => c?.DeepClone()),
            .. (theirs?["conditions"] as JsonArray ?? []).Where(c => !IsOwn(c)).Select(c => c?.DeepClone()),
        ]);
        return merged;
    }

    /// <summary>Pending, Running, Succeeded or Failed.</summary>
    public static string Phase(V1Pod pod, PodRecord record)
    {
        if (record.FailedReason is not null)
        {
            return "Failed";
        }

        if (!Initialised(pod, record))
        {
            bool failed = pod.Spec.RestartPolicy == "Never" && pod.Spec.InitContainers.Any(c => record.Container(c.Name).Ended is { ExitCode: not 0 });
            return failed ? "Failed" : "Pending";
        }

        ContainerRecord[] containers = [.. pod.Spec.Containers.Select(c => record.Container(c.Name))];
        if (containers.Any(c => c.Starts == 0))
        {
            return containers.Any(c => c.Running) ? "Running" : "Pending";
        }

        if (containers.Any(c => c.Ended is null || PodPlanner.Restarts(pod, c.Ended)))
        {
            return "Running";
        }

        return containers.All(c => c.Ended!.ExitCode == 0) ? "Succeeded" : "Failed"; // none is null: checked above
    }

    private static bool Initialised(V1Pod pod, PodRecord record) =>
        (pod.Spec.InitContainers ?? []).All(c => record.Container(c.Name).Ended is { ExitCode: 0 });

    private static List<V1PodCondition> Conditions(V1Pod pod, string phase, bool initialised, List<V1ContainerStatus> containers, DateTimeOffset now)
    {
        string[] unready = [.. containers.Where(c => !c.Ready).Select(c => c.Name)];
        bool over = phase is "Succeeded" or "Failed";
        (string? Reason, string? Message) why = phase == "Succeeded" ? ("PodCompleted", null)
            : phase == "Failed" ? ("PodFailed", null)
            : unready.Length > 0 ? ("ContainersNotReady", $"containers with unready status: [{string.Join(' ', unready)}]") : (null, null);
        bool ready = !over && unready.Length == 0;
        List<V1PodCondition> conditions =
        [
            Condition(pod, "PodScheduled", true, null, null, now),
            Condition(pod, "Initialized", initialised, initialised ? null : "ContainersNotInitialized", null, now),
            Condition(pod, "ContainersReady", ready, why.Reason, why.Message, now),
            Ready(pod, ready, why, now),
        ];

        // Conditions of others, such as readiness gates, stay.
        return [.. conditions, .. (pod.Status?.Conditions ?? []).Where(c => conditions.All(own => own.Type != c.Type))];
    }

    /// <summary>Ready asks for the readiness gates besides the containers; their conditions are written by others.</summary>
    private static V1PodCondition Ready(V1Pod pod, bool containersReady, (string? Reason, string? Message) why, DateTimeOffset now)
    {
        if (!containersReady)
            return Condition(pod, "Ready", false, why.Reason, why.Message, now);
        string[] missing =
        [
            .. from gate in pod.Spec.ReadinessGates ?? []
               let condition = pod.Status?.Conditions?.FirstOrDefault(c => c.Type == gate.ConditionType)
               where condition?.Status != "True"
               select condition is null
                   ? $"corresponding condition of pod readiness gate \"{gate.ConditionType}\" does not exist."
                   : $"the status of pod readiness gate \"{gate.ConditionType}\" is not \"True\", but {condition.Status}",
        ];
        return missing.Length == 0
            ? Condition(pod, "Ready", true, null, null, now)
            : Condition(pod, "Ready", false, "ReadinessGatesNotReady", string.Join(", ", missing), now);
    }

    private static V1PodCondition Condition(V1Pod pod, string type, bool holds, string? reason, string? message, DateTimeOffset now)
    {
        string status = holds ? "True" : "False";
        V1PodCondition? before = pod.Status?.Conditions?.FirstOrDefault(c => c.Type == type && c.Status == status);
        return new V1PodCondition
        {
            Type = type,
            Status = status,
            Reason = reason,
            Message = message,
            LastTransitionTime = before?.LastTransitionTime ?? WireTime.Seconds(now).UtcDateTime,
        };
    }

    private static V1ContainerStatus InitContainer(V1Pod pod, V1Container container, ContainerRecord known, RestartBackoff backoff, DateTimeOffset now)
    {
        V1ContainerStatus status = Container(pod, container, known, new ProbeVerdict(known.Running, false, null), initialised: true, backoff, now);
        if (known.Ended is { ExitCode: 0 })
        {
            // Done, whatever the pod's restart policy: an init container runs once.
            status.Ready = true;
            status.State = new V1ContainerState { Terminated = Ended(known.Ended) };
        }
        else if (known.Starts == 0 && known.BlockedReason is null)
        {
            status.State.Waiting.Reason = "PodInitializing";
        }

        return status;
    }

    private static V1ContainerStatus Container(
        V1Pod pod, V1Container container, ContainerRecord known, ProbeVerdict probe, bool initialised, RestartBackoff backoff, DateTimeOffset now)
    {
        var state = new V1ContainerState();
        Termination? last = known.Previous;
        if (known.Running)
        {
            state.Running = new V1ContainerStateRunning { StartedAt = Time(known.StartedAt) };
        }
        else if (known.BlockedReason is not null || known.Ended is null || PodPlanner.Restarts(pod, known.Ended))
        {
            state.Waiting = Waiting(pod, known, initialised, backoff, now);
            last = known.Ended ?? last;
        }
        else
        {
            state.Terminated = Ended(known.Ended);
        }

        return new V1ContainerStatus
        {
            Name = container.Name,
            Image = container.Image ?? "",
            ImageID = "",
            ContainerID = known.Process is { } process ? process.ContainerId : null,
            Ready = known.Running && probe.Ready,
            Started = known.Running && probe.Started,
            RestartCount = Math.Max(0, known.Starts - 1),
            State = state,
            LastState = last is null ? new V1ContainerState() : new V1ContainerState { Terminated = Ended(last) },
        };
    }

    private static V1ContainerStateWaiting Waiting(V1Pod pod, ContainerRecord known, bool initialised, RestartBackoff backoff, DateTimeOffset now)
    {
        if (known.BlockedReason is not null)
        {
            return new V1ContainerStateWaiting { Reason = known.BlockedReason, Message = known.BlockedMessage };
        }

        if (known.Ended is { } ended && backoff.Delay(known.Failures) is var delay && ended.FinishedAt + delay > now)
        {
            return new V1ContainerStateWaiting
            {
                Reason = "CrashLoopBackOff",
                Message = $"back-off {delay.TotalSeconds:0.###}s restarting failed container={known.Name} pod={pod.Metadata.Name}_{pod.Metadata.NamespaceProperty}({pod.Metadata.Uid})",
            };
        }

        return new V1ContainerStateWaiting { Reason = initialised ? "ContainerCreating" : "PodInitializing" };
    }

    private static V1ContainerStateTerminated Ended(Termination ended) => new()
    {
        ExitCode = ended.ExitCode,
        Reason = ended.Reason,
        Message = ended.Message,
        StartedAt = Time(ended.StartedAt),
        FinishedAt = Time(ended.FinishedAt),
        ContainerID = ended.ContainerId,
    };

    private static DateTime? Time(DateTimeOffset? time) => time is { } t ? WireTime.Seconds(t).UtcDateTime : null;
}
