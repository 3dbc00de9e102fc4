using System.Collections.Concurrent;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Workers;

namespace AiFabric.Operator.Finetuning;

/// <summary>
/// What the operator remembers of a job from one look to the next. All of it may be lost: then a spec is sent once more, a retry comes at once, a
/// silent replica is waited for anew, one without room is asked again.
/// </summary>
internal sealed class FinetuneMemory
{
    private readonly ConcurrentDictionary<string, Entry> _entries = new();

    public string? SentTo(FinetuneJob job) => Find(job) is { } entry && entry.SentGeneration == job.Metadata.Generation ? entry.SentTo : null;

    /// <summary>When a replica's process last had no room for the job, as <see cref="FinetuneObservation.Refusals"/>.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> Refusals(FinetuneJob job) => (Find(job) ?? new Entry()).Refusals;

    public DateTimeOffset? RetryAt(FinetuneJob job) => Find(job)?.RetryAt;

    /// <summary>Notes that the job's replica is silent (or is not), and tells since when.</summary>
    public DateTimeOffset? Silent(FinetuneJob job, bool isSilent, DateTimeOffset now) =>
        Change(job, entry => entry with { SilentSince = isSilent ? entry.SilentSince ?? now : null }).SilentSince;

    /// <summary>Whether all replicas are due to be asked, not only the job's own; says yes once per <paramref name="period"/>.</summary>
    public bool IsSweepDue(FinetuneJob job, DateTimeOffset now, TimeSpan period)
    {
        if (Find(job)?.Swept is { } swept && now - swept < period)
            return false;
        Change(job, entry => entry with { Swept = now });
        return true;
    }

    public void Sent(FinetuneJob job, WorkerPod pod) => Change(
        job, entry => entry with { SentTo = FinetunePlanner.Process(pod), SentGeneration = job.Metadata.Generation, RetryAt = null });

    public void Refused(FinetuneJob job, WorkerPod pod, DateTimeOffset now) => Change(
        job, entry => entry with { Refusals = new Dictionary<string, DateTimeOffset>(entry.Refusals) { [FinetunePlanner.Process(pod)] = now } });

    public void RetryNotBefore(FinetuneJob job, DateTimeOffset? time) => Change(job, entry => entry with { RetryAt = time, SentTo = null });

    public void Forget(FinetuneJob job) => _entries.TryRemove(job.Metadata.Uid, out _);

    private Entry? Find(FinetuneJob job) => _entries.GetValueOrDefault(job.Metadata.Uid);

    private Entry Change(FinetuneJob job, Func<Entry, Entry> change) =>
        _entries.AddOrUpdate(job.Metadata.Uid, _ => change(new Entry()), (_, entry) => change(entry));

    private sealed record Entry
    {
        public string? SentTo { get; init; }

        public long? SentGeneration { get; init; }

        public DateTimeOffset? RetryAt { get; init; }

        public DateTimeOffset? SilentSince { get; init; }

        public DateTimeOffset? Swept { get; init; }

        public IReadOnlyDictionary<string, DateTimeOffset> Refusals { get; init; } = new Dictionary<string, DateTimeOffset>();
    }
}
