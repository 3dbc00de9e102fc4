using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using AiFabric.Operator.Workers;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Finetuning;

/// <summary>Cancels a job's session before the job may vanish. A silent worker holds it up for a bounded time only.</summary>
internal sealed class FinetuneFinalizer(
    WorkerPods pods, FinetuneExecutor executor, IEventRecorder events, IOptions<OperatorOptions> options, TimeProvider time,
    ILogger<FinetuneFinalizer> logger) : IEntityFinalizer<FinetuneJob>
{
    public const string Name = "aifabric.io/cancel-training";

    public async Task<ReconciliationResult<FinetuneJob>> FinalizeAsync(FinetuneJob entity, CancellationToken cancellationToken)
    {
        if (entity.Status?.Pod is null)
            return ReconciliationResult<FinetuneJob>.Success(entity); // No worker was ever told of it.
        WorkerPod[] asked =
        [
            .. pods.Of(entity.Metadata.NamespaceProperty, entity.Spec.ModelRef.Name)
                .Where(pod => pod.Reachable || (pod.Name == entity.Status.Pod && !pod.Terminating && !string.IsNullOrEmpty(pod.Ip))),
        ];
        IReadOnlyList<WorkerPod> silent = await executor.CancelAsync(entity.Metadata.Uid, asked, cancellationToken);
        if (silent.Count == 0)
            return ReconciliationResult<FinetuneJob>.Success(entity);
        if (FinalizerDeadline.IsOver(entity, options.Value, time))
        {
            // The model's own reconciliation cancels it as soon as the worker answers again.
            string names = string.Join(", ", silent.Select(pod => pod.Name));
            Log.FinalizerGaveUp(logger, NamespacedName.Of(entity), names);
            await events.RecordAsync(entity, EventType.Warning, "NotCancelled", $"did not answer: {names}", cancellationToken);
            return ReconciliationResult<FinetuneJob>.Success(entity);
        }
        return ReconciliationResult<FinetuneJob>.Success(entity, TimeSpan.FromMilliseconds(options.Value.PollMilliseconds));
    }
}
