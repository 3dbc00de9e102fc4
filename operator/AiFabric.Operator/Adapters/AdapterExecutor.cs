using System.Collections.Concurrent;
using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;
using WorkerAdapter = AiFabric.Protocol.Control.AdapterStatus;

namespace AiFabric.Operator.Adapters;

/// <summary>Carries out an <see cref="AdapterPlan"/> and remembers what it sent to which process.</summary>
internal sealed class AdapterExecutor(IWorkerClient workers, ILogger<AdapterExecutor> logger)
{
    private readonly ConcurrentDictionary<(string PodUid, int Restarts, string Adapter), AdapterRequest> _sent = new();

    /// <summary>What was last sent to this very process for this adapter; null when nothing.</summary>
    public AdapterRequest? Sent(WorkerPod pod, string adapter) => _sent.GetValueOrDefault((pod.Uid, pod.Restarts, adapter));

    /// <returns>How it stands on every replica of the plan.</returns>
    public async Task<IReadOnlyList<AdapterOutcome>> ApplyAsync(NamespacedName adapter, AdapterPlan plan, CancellationToken cancellationToken)
    {
        AdapterOutcome[] outcomes = await Task.WhenAll(plan.Loads.Select(load => LoadAsync(adapter, load, cancellationToken)));
        return [.. plan.Settled.Concat(outcomes).OrderBy(outcome => outcome.Pod.Name, StringComparer.Ordinal)];
    }

    /// <summary>Unloads the adapter from <paramref name="pods"/>.</summary>
    /// <returns>The pods that did not answer.</returns>
    public async Task<IReadOnlyList<WorkerPod>> UnloadAsync(
        string adapter, IReadOnlyList<WorkerPod> pods, CancellationToken cancellationToken)
    {
        var silent = new List<WorkerPod>();
        foreach (WorkerPod pod in pods)
        {
            WorkerReply<Nothing> reply = await workers.DeleteAdapterAsync(pod, adapter, cancellationToken);
            if (reply.Outcome == WorkerOutcome.Unreachable)
                silent.Add(pod);
        }
        Forget(adapter, pods);
        return silent;
    }

    private void Forget(string adapter, IReadOnlyList<WorkerPod> pods)
    {
        foreach ((string PodUid, int Restarts, string Adapter) key in _sent.Keys)
        {
            if (key.Adapter == adapter && pods.Any(pod => pod.Uid == key.PodUid))
                _sent.TryRemove(key, out _);
        }
    }

    private async Task<AdapterOutcome> LoadAsync(NamespacedName adapter, AdapterLoad load, CancellationToken cancellationToken)
    {
        WorkerReply<WorkerAdapter> reply = await workers.PutAdapterAsync(load.Pod, adapter.Name, load.Request, cancellationToken);
        switch (reply.Outcome)
        {
            case WorkerOutcome.Ok:
                _sent[(load.Pod.Uid, load.Pod.Restarts, adapter.Name)] = load.Request;
                Log.AdapterLoaded(logger, adapter, load.Pod.Name, reply.Value?.Digest);
                return new(load.Pod, Check.Pass);
            case WorkerOutcome.Unreachable:
                return new(load.Pod, Check.Fail(Reasons.WorkerUnreachable, reply.Message ?? $"pod {load.Pod.Name} does not answer"));
            default:
                return new(
                    load.Pod, Check.Fail(reply.Reason ?? Reasons.InvalidAdapter, reply.Message ?? $"pod {load.Pod.Name} refuses it"), Refused: true);
        }
    }
}
