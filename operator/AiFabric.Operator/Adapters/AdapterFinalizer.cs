using AiFabric.Crds.Adapters;
using AiFabric.Kube;
using AiFabric.Operator.Workers;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Adapters;

/// <summary>Unloads an adapter everywhere before it may vanish. A silent worker holds it up for a bounded time only.</summary>
internal sealed class AdapterFinalizer(
    WorkerPods pods, AdapterExecutor executor, IEventRecorder events, IOptions<OperatorOptions> options, TimeProvider time,
    ILogger<AdapterFinalizer> logger) : IEntityFinalizer<Adapter>
{
    public const string Name = "aifabric.io/unload-adapter";

    public async Task<ReconciliationResult<Adapter>> FinalizeAsync(Adapter entity, CancellationToken cancellationToken)
    {
        WorkerPod[] ready = [.. pods.Of(entity.Metadata.NamespaceProperty, entity.Spec.ModelRef.Name).Where(pod => pod.Reachable)];
        IReadOnlyList<WorkerPod> silent = await executor.UnloadAsync(NamespacedName.Of(entity), ready, cancellationToken);
        if (silent.Count == 0)
            return ReconciliationResult<Adapter>.Success(entity);
        if (FinalizerDeadline.IsOver(entity, options.Value, time))
        {
            // The model's own reconciliation unloads it as soon as the worker answers again.
            string names = string.Join(", ", silent.Select(pod => pod.Name));
            Log.FinalizerGaveUp(logger, NamespacedName.Of(entity), names);
            await events.RecordAsync(entity, EventType.Warning, "NotUnloaded", $"did not answer: {names}", cancellationToken);
            return ReconciliationResult<Adapter>.Success(entity);
        }
        return ReconciliationResult<Adapter>.Success(entity, TimeSpan.FromMilliseconds(options.Value.PollMilliseconds));
    }
}
