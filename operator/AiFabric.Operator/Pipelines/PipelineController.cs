using AiFabric.Crds.Pipelines;
using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Objects;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Pipelines;

/// <summary>Pipeline → Deployments of its functions, status.</summary>
internal sealed class PipelineController(
    PipelineObserver observer, PipelineExecutor executor, StatusWriter statuses, IStore<Pipeline> pipelines, IOptions<OperatorOptions> options, TimeProvider time)
    : IEntityController<Pipeline>
{
    public async Task<ReconciliationResult<Pipeline>> ReconcileAsync(Pipeline entity, CancellationToken cancellationToken)
    {
        statuses.Freshen(entity);
        OperatorOptions settings = options.Value;
        PipelineObservation observed = await observer.ObserveAsync(entity, cancellationToken);
        PipelinePlan plan = await executor.ApplyAsync(entity, PipelinePlanner.Plan(observed, settings.GetPodSettings().Restricted), cancellationToken);
        PipelineStatus status = PipelineStatusBuilder.Build(observed, plan, time.GetUtcNow());
        await statuses.WriteAsync<Pipeline, PipelineSpec, PipelineStatus>(entity, status, s => s.Conditions, [], cancellationToken);
        return ReconciliationResult<Pipeline>.Success(entity, settings.Paced(NextLook(status, plan), pipelines.Count));
    }

    public Task<ReconciliationResult<Pipeline>> DeletedAsync(Pipeline entity, CancellationToken cancellationToken)
    {
        statuses.Forget(entity);
        return Task.FromResult(ReconciliationResult<Pipeline>.Success(entity));
    }

    private TimeSpan NextLook(PipelineStatus status, PipelinePlan plan)
    {
        TimeSpan steady = TimeSpan.FromSeconds(options.Value.SteadySeconds);
        if (plan.Refused.Count > 0)
            return OwnedObjects.Retry(steady);
        // What the gateways serve is told by nobody: until they do, they are asked often.
        bool isReady = status.Conditions?.Any(condition => condition is { Type: PipelineConditions.Ready, Status: ConditionStatus.True }) == true;
        return isReady || !plan.Refusal.Holds ? steady : TimeSpan.FromMilliseconds(options.Value.PollMilliseconds);
    }
}
