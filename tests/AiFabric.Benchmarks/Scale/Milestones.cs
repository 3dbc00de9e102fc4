using System.Collections.Concurrent;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiFabric.Benchmarks.Scale;

/// <summary>Watches the resources and notes when each reached the condition it is meant to reach.</summary>
internal sealed class Milestones : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loops;

    public Milestones(IKubernetesClient client, ScaleSize size)
    {
        Models = new Milestone(size.Models);
        Jobs = new Milestone(size.Jobs);
        Adapters = new Milestone(size.Jobs);
        _loops = Task.WhenAll(
            Watch<CoServedModel>(client, Models, CoServedModelConditions.Ready, model => model.Status?.Conditions),
            Watch<FinetuneJob>(client, Jobs, FinetuneJobConditions.Complete, job => job.Status?.Conditions),
            Watch<Adapter>(client, Adapters, AdapterConditions.Ready, adapter => adapter.Status?.Conditions));
    }

    /// <summary>CoServedModels that are Ready.</summary>
    public Milestone Models { get; }

    /// <summary>FinetuneJobs that are Complete.</summary>
    public Milestone Jobs { get; }

    /// <summary>Adapters, one for each job, that are Ready.</summary>
    public Milestone Adapters { get; }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loops;
        _stop.Dispose();
    }

    private Task Watch<T>(IKubernetesClient client, Milestone milestone, string type, Func<T, IEnumerable<V1Condition>?> conditions)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var informer = new Informer<T>(
            client, new InformerScope(ScaleOptions.Space), new InformerOptions(), TimeProvider.System, NullLogger<Informer<T>>.Instance);
        informer.Subscribe(change => milestone.Note(
            change.Object.Metadata.Uid,
            change.Kind != StoreChangeKind.Deleted && conditions(change.Object)?.Any(condition => condition.Type == type && condition.Status == "True") == true));
        return informer.RunAsync(_stop.Token);
    }
}

/// <summary>How many objects are where they are meant to be.</summary>
internal sealed class Milestone(int wanted)
{
    private readonly ConcurrentDictionary<string, bool> _states = new();
    private readonly TaskCompletionSource<long> _all = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _reached;
    private int _lost;

    public int Wanted => wanted;

    public int Reached => Volatile.Read(ref _reached);

    /// <summary>How often an object that had the condition lost it again.</summary>
    public int Lost => Volatile.Read(ref _lost);

    /// <summary>The time stamp at which the last one got there for the first time.</summary>
    public Task<long> All => _all.Task;

    /// <summary>Notes an object's present state. Called by one informer, so never twice at once.</summary>
    public void Note(string uid, bool holds)
    {
        bool held = _states.TryGetValue(uid, out bool before) && before;
        _states[uid] = holds;
        if (held && !holds)
            Interlocked.Increment(ref _lost);
        if (held != holds && Interlocked.Add(ref _reached, holds ? 1 : -1) == wanted)
            _all.TrySetResult(TimeProvider.System.GetTimestamp());
    }
}
