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
    /// <summary>By adapter, what the processes have that it was last looked for on: pods come and go for as long as the operator runs.</summary>
    private readonly ConcurrentDictionary<NamespacedName, IReadOnlyDictionary<(string PodUid, int Restarts), AdapterRequest>> _sent = new();

    /// <summary>What was last sent to this very process for this adapter; null when nothing.</summary>
    public AdapterRequest? Sent(WorkerPod pod, string adapter) =>
        _sent.TryGetValue(new NamespacedName(pod.Namespace, adapter), out var processes) ? processes.GetValueOrDefault((pod.Uid, pod.Restarts)) : null;

    /// <returns>How it stands on every replica of the plan.</returns>
    public async Task<IReadOnlyList<AdapterOutcome>> ApplyAsync(NamespacedName adapter, AdapterPlan plan, CancellationToken cancellationToken)
    {
        AdapterOutcome[] outcomes = await Task.WhenAll(plan.Loads.Select(load => LoadAsync(adapter, load, cancellationToken)));
        IEnumerable<(WorkerPod Pod, AdapterRequest? Request)> before = plan.Settled.Select(settled => (settled.Pod, Sent(settled.Pod, adapter.Name)));
        IEnumerable<(WorkerPod Pod, AdapterRequest? Request)> now = plan.Loads.Zip(outcomes).Select(pair => (pair.First.Pod, pair.Second.State.Holds ? pair.First.Request : null));
        _sent[adapter] = before.Concat(now).Where(sent => sent.Request is not null)
            .ToDictionary(sent => (sent.Pod.Uid, sent.Pod.Restarts), sent => sent.Request!); // Filtered just before.
        return [.. plan.Settled.Concat(outcomes).OrderBy(outcome => outcome.Pod.Name, StringComparer.Ordinal)];
    }

    /// <summary>Unloads the adapter from <paramref name="pods"/>.</summary>
    /// <returns>The pods that did not answer.</returns>
    public async Task<IReadOnlyList<WorkerPod>> UnloadAsync(
        NamespacedName adapter, IReadOnlyList<WorkerPod> pods, CancellationToken cancellationToken)
    {
        _sent.TryRemove(adapter, out _);
        var silent = new List<WorkerPod>();
        foreach (WorkerPod pod in pods)
        {
            WorkerReply<Nothing> reply = await workers.DeleteAdapterAsync(pod, adapter.Name, cancellationToken);
            if (reply.Outcome == WorkerOutcome.Unreachable)
                silent.Add(pod);
        }
        return silent;
    }

    private async Task<AdapterOutcome> LoadAsync(NamespacedName adapter, AdapterLoad load, CancellationToken cancellationToken)
    {
        WorkerReply<WorkerAdapter> reply = await workers.PutAdapterAsync(load.Pod, adapter.Name, load.Request, cancellationToken);
        switch (reply.Outcome)
        {
            case WorkerOutcome.Ok:
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
