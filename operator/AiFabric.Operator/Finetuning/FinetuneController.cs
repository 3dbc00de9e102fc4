using System.Text.Json.Nodes;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Validation;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Finetuning;

/// <summary>FinetuneJob → a training session on a ready replica of its model, then an Adapter, status.</summary>
internal sealed class FinetuneController(
    FinetuneObserver observer, FinetuneExecutor executor, FinetuneMemory memory, StatusWriter statuses, IStore<FinetuneJob> jobs,
    IOptions<OperatorOptions> options, TimeProvider time) : IEntityController<FinetuneJob>
{
    public async Task<ReconciliationResult<FinetuneJob>> ReconcileAsync(FinetuneJob entity, CancellationToken cancellationToken)
    {
        statuses.Freshen(entity);
        FinetuneTimes times = options.Value.GetFinetuneTimes();
        FinetuneObservation observed = await observer.ObserveAsync(entity, cancellationToken);
        FinetunePlan plan = FinetunePlanner.Plan(observed, times);
        FinetunePlan done = await executor.ApplyAsync(observed, plan, times, cancellationToken);
        // Sending may have taken a while; transitions are dated when they were seen.
        FinetuneJobStatus status = FinetuneStatusBuilder.Build(observed with { Now = time.GetUtcNow() }, done);
        await statuses.WriteAsync<FinetuneJob, FinetuneJobSpec, FinetuneJobStatus>(
            entity, status, s => s.Conditions, [FinetuneJobConditions.Failed], cancellationToken);
        return ReconciliationResult<FinetuneJob>.Success(
            entity, NextLook(entity, done, times) is { } look ? options.Value.Paced(look, jobs.CountActive()) : null);
    }

    public JsonObject? Prepare(FinetuneJob entity) => AcceptedSpec.Patch(FinetuneRules.All, entity, isNew: entity.Status?.ObservedGeneration is null);

    public Task<ReconciliationResult<FinetuneJob>> DeletedAsync(FinetuneJob entity, CancellationToken cancellationToken)
    {
        statuses.Forget(entity);
        memory.Forget(entity);
        return Task.FromResult(ReconciliationResult<FinetuneJob>.Success(entity));
    }

    /// <summary>A job that has just ended has to be looked at again when its time to live is over.</summary>
    private static TimeSpan? NextLook(FinetuneJob job, FinetunePlan done, FinetuneTimes times) =>
        done.Step is FinetuneStep.Fail or FinetuneStep.Publish && job.Spec.TtlSecondsAfterFinished is not null ? times.Poll : done.LookAgain;
}
