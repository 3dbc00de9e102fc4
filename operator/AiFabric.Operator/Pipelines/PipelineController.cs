using AiFabric.Crds.Pipelines;
using AiFabric.Kube;
using AiFabric.Operator.Conditions;
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
        PipelinePlan plan = PipelinePlanner.Plan(observed, settings.GetPodSettings().Restricted);
        await executor.ApplyAsync(entity, plan, cancellationToken);
        PipelineStatus status = PipelineStatusBuilder.Build(observed, plan, time.GetUtcNow());
        await statuses.WriteAsync<Pipeline, PipelineSpec, PipelineStatus>(entity, status, s => s.Conditions, [], cancellationToken);
        // What the gateways serve is told by nobody: until they do, they are asked often.
        bool isReady = status.Conditions?.Any(condition => condition is { Type: PipelineConditions.Ready, Status: ConditionStatus.True }) == true;
        TimeSpan wanted = isReady || !plan.Refusal.Holds ? TimeSpan.FromSeconds(settings.SteadySeconds) : TimeSpan.FromMilliseconds(settings.PollMilliseconds);
        return ReconciliationResult<Pipeline>.Success(entity, settings.Paced(wanted, pipelines.Count));
    }

    public Task<ReconciliationResult<Pipeline>> DeletedAsync(Pipeline entity, CancellationToken cancellationToken)
    {
        statuses.Forget(entity);
        return Task.FromResult(ReconciliationResult<Pipeline>.Success(entity));
    }
}
