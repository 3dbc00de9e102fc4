using System.Globalization;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Workers;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;

namespace AiFabric.Operator.Models;

/// <summary>Says why replicas are not loaded: what the cluster knows of a pod, or what its worker says of the download. Pure.</summary>
internal static class LoadingChecks
{
    /// <returns>Null when nothing is known but that it takes time.</returns>
    public static Check? Of(IReadOnlyList<WorkerPod> pods, IReadOnlyDictionary<string, ModelLoading> loadings)
    {
        // A worker that answers knows better than what is left of its predecessor's end.
        if (pods.FirstOrDefault(pod => pod.Problem is not null && !loadings.ContainsKey(pod.Uid)) is { Problem: { } problem })
            return Check.Fail(problem.Reason, problem.Message);
        foreach (WorkerPod pod in pods)
        {
            if (loadings.TryGetValue(pod.Uid, out ModelLoading? loading) && loading.State == LoadingState.Failed)
                return Check.Fail(Reasons.DownloadFailed, $"pod {pod.Name}: {loading.Message}");
        }
        ModelLoading[] downloads = [.. pods.Select(pod => loadings.GetValueOrDefault(pod.Uid)).OfType<ModelLoading>().Where(IsDownload)];
        if (downloads.Length == 0)
            return null;
        string slowest = Describe(downloads.MinBy(Share)!); // Not empty.
        return Check.Fail(
            Reasons.Downloading, downloads.Length == 1 ? slowest : string.Create(CultureInfo.InvariantCulture, $"{slowest}, the slowest of {downloads.Length} replicas"));
    }

    private static bool IsDownload(ModelLoading loading) => loading.State is LoadingState.Resolving or LoadingState.Downloading or LoadingState.Waiting;

    private static double Share(ModelLoading loading) => loading.TotalBytes is > 0 and { } total ? Math.Min(1, (double)loading.DownloadedBytes / total) : 0;

    private static string Describe(ModelLoading loading) => loading.TotalBytes is { } total
        ? string.Create(CultureInfo.InvariantCulture, $"{ByteText.Of(loading.DownloadedBytes)} of {ByteText.Of(total)} ({Math.Floor(Share(loading) * 100):0}%)")
        : "asking the store which files there are";
}
