using System.Collections.Concurrent;
using AiFabric.Crds.CoServedModels;
using AiFabric.Protocol.Control;

namespace AiFabric.Operator.Workers;

/// <summary>
/// What workers that are not ready say of their way there. Asked every few seconds at most, however often a model is looked at: what is said
/// changes all the time and lands in a status, each change of which is a write.
/// </summary>
internal sealed class LoadingReports(IWorkerClient workers, TimeProvider time)
{
    /// <summary>Time between two looks.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, Look> _looks = new();

    /// <summary>How far the pods of a model are that run and are not ready, by pod uid.</summary>
    public async Task<IReadOnlyDictionary<string, ModelLoading>> AskAsync(
        CoServedModel model, IReadOnlyList<WorkerPod> pods, CancellationToken cancellationToken)
    {
        string uid = model.Metadata.Uid ?? string.Empty;
        WorkerPod[] loading = [.. pods.Where(pod => pod is { Running: true, Ready: false, Ip.Length: > 0 })];
        if (loading.Length == 0)
        {
            _looks.TryRemove(uid, out _);
            return new Dictionary<string, ModelLoading>();
        }
        if (_looks.TryGetValue(uid, out Look? last) && time.GetElapsedTime(last.At) < Interval && loading.All(pod => last.Asked.Contains(pod.Uid)))
            return last.Found;
        (string Uid, ModelLoading? Loading)[] answers = await Task.WhenAll(loading.Select(async pod =>
            (pod.Uid, (await workers.GetLoadAsync(pod, cancellationToken)).Value?.Loading)));
        var found = answers.Where(answer => answer.Loading is not null)
            .ToDictionary(answer => answer.Uid, answer => answer.Loading!); // Filtered just before.
        // A worker that did not answer yet is asked again at once.
        _looks[uid] = new Look(time.GetTimestamp(), found.Keys.ToHashSet(), found);
        return found;
    }

    /// <summary>Forgets a model that is gone.</summary>
    public void Forget(CoServedModel model) => _looks.TryRemove(model.Metadata.Uid ?? string.Empty, out _);

    private sealed record Look(long At, IReadOnlySet<string> Asked, IReadOnlyDictionary<string, ModelLoading> Found);
}
