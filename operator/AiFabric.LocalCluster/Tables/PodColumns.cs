using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Tables;

/// <summary>The columns of pods; STATUS is the most telling of phase, waiting and termination reasons.</summary>
internal static class PodColumns
{
    public static Column[] All { get; } =
    [
        Column.Text("Name", found => found.Text("metadata", "name")),
        Column.Text("Ready", Ready),
        Column.Text("Status", Status),
        new("Restarts", "string", 0, (found, now) => Restarts(found, now)),
        new("Age", "string", 0, (found, now) => HumanDuration.Age(found, now)),
        Column.Text("IP", found => found.Text("status", "podIP"), 1),
        Column.Text("Node", found => found.Text("spec", "nodeName"), 1),
        Column.Text("Nominated Node", found => found.Text("status", "nominatedNodeName"), 1),
        Column.Text("Readiness Gates", Gates, 1),
    ];

    private static JsonObject[] Statuses(JsonObject pod, string list) => [.. pod.Items("status", list)?.OfType<JsonObject>() ?? []];

    private static string Ready(JsonObject pod) =>
        $"{Statuses(pod, "containerStatuses").Count(one => one.Flag("ready"))}/{pod.Items("spec", "containers")?.Count ?? 0}";

    private static string? Gates(JsonObject pod)
    {
        string?[] gates = [.. pod.Items("spec", "readinessGates")?.Select(gate => gate.Text("conditionType")) ?? []];
        return gates.Length == 0 ? null : $"{gates.Count(gate => gate is not null && BuiltInColumns.HasCondition(pod, gate))}/{gates.Length}";
    }

    private static string Restarts(JsonObject pod, DateTimeOffset now)
    {
        var statuses = Statuses(pod, "containerStatuses");
        var restarts = statuses.Sum(one => one.Whole("restartCount") ?? 0);
        var last = statuses.Select(one => one.Text("lastState", "terminated", "finishedAt")).Where(time => time is not null).Max(StringComparer.Ordinal);
        return restarts == 0 || last is null ? $"{restarts}" : $"{restarts} ({HumanDuration.Since(last, now)} ago)";
    }

    private static string Status(JsonObject pod)
    {
        var status = pod.Text("status", "reason") ?? pod.Text("status", "phase") ?? "Unknown";
        var initial = InitStatus(pod);
        status = initial ?? ContainerStatus(pod, status);
        return pod.Text("metadata", "deletionTimestamp") is null ? status : "Terminating";
    }

    private static string? InitStatus(JsonObject pod)
    {
        var total = pod.Items("spec", "initContainers")?.Count ?? 0;
        var statuses = Statuses(pod, "initContainerStatuses");
        for (var i = 0; i < statuses.Length; i++)
        {
            var ended = statuses[i].Map("state", "terminated");
            if (ended.Whole("exitCode") == 0)
                continue;
            if (ended is not null)
                return $"Init:{ended.Text("reason") ?? $"ExitCode:{ended.Whole("exitCode")}"}";
            return statuses[i].Text("state", "waiting", "reason") is { } reason and not "PodInitializing" ? $"Init:{reason}" : $"Init:{i}/{total}";
        }

        return null;
    }

    private static string ContainerStatus(JsonObject pod, string status)
    {
        var running = false;
        foreach (var one in Statuses(pod, "containerStatuses").Reverse())
        {
            if (one.Text("state", "waiting", "reason") is { Length: > 0 } waiting)
                status = waiting;
            else if (one.Map("state", "terminated") is { } ended)
                status = ended.Text("reason") is { Length: > 0 } reason ? reason : $"ExitCode:{ended.Whole("exitCode")}";
            running |= one.Flag("ready") && one.Map("state", "running") is not null;
        }

        // A completed container beside running ones does not complete the pod.
        return status == "Completed" && running ? "Running" : status;
    }
}
