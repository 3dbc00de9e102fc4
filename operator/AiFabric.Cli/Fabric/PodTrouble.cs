using k8s.Models;

namespace AiFabric.Cli.Fabric;

/// <summary>Says why pods are not ready.</summary>
internal static class PodTrouble
{
    /// <summary>What holds up the pods of a deployment, on one line; null when they do not tell.</summary>
    public static string? Of(IEnumerable<V1Pod> pods, string deployment)
    {
        V1Pod[] mine = [.. pods.Where(pod => pod.Metadata.Name.StartsWith(deployment + "-", StringComparison.Ordinal))];
        string? why = mine.SelectMany(pod => pod.Status?.ContainerStatuses ?? []).Select(Why).FirstOrDefault(text => text is not null)
            ?? mine.SelectMany(pod => pod.Status?.Conditions ?? []).Where(condition => condition.Status == "False")
                .Select(condition => Text(condition.Reason, condition.Message)).FirstOrDefault();
        return why?.ReplaceLineEndings(" ").Trim();
    }

    /// <summary>Why a container waits, and how its last run ended: that is the cause when it waits for its next one.</summary>
    private static string? Why(V1ContainerStatus container)
    {
        if (container.State?.Waiting is not { } waiting)
            return null;
        string why = Text(waiting.Reason, waiting.Message);
        return container.LastState?.Terminated is { } ended ? $"{why}; its last run: {Text(ended.Reason, ended.Message)}" : why;
    }

    private static string Text(string? reason, string? message) => string.IsNullOrEmpty(message) ? reason ?? "no reason given" : $"{reason}: {message}";
}
