using System.Text.Json.Nodes;
using AiFabric.Crds.Adapters;
using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Validation;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Adapters;

/// <summary>Adapter → loaded on every ready replica of its model, status.</summary>
internal sealed class AdapterController(
    AdapterObserver observer, AdapterExecutor executor, StatusWriter statuses, IStore<Adapter> adapters, IOptions<OperatorOptions> options,
    TimeProvider time) : IEntityController<Adapter>
{
    /// <summary>A worker that refused is asked again after this time: files may have been put right meanwhile.</summary>
    private static readonly TimeSpan AfterRefusal = TimeSpan.FromSeconds(15);

    public async Task<ReconciliationResult<Adapter>> ReconcileAsync(Adapter entity, CancellationToken cancellationToken)
    {
        statuses.Freshen(entity);
        AdapterObservation observed = await observer.ObserveAsync(entity, cancellationToken);
        AdapterPlan plan = AdapterPlanner.Plan(observed);
        IReadOnlyList<AdapterOutcome> outcomes = await executor.ApplyAsync(NamespacedName.Of(entity), plan, cancellationToken);
        AdapterStatus status = AdapterStatusBuilder.Build(observed, plan, outcomes, time.GetUtcNow());
        await statuses.WriteAsync<Adapter, AdapterSpec, AdapterStatus>(
            entity, status, s => s.Conditions, [AdapterConditions.Failed], cancellationToken);
        return ReconciliationResult<Adapter>.Success(entity, NextLook(status));
    }

    public JsonObject? Prepare(Adapter entity) => AcceptedSpec.Patch(AdapterRules.All, entity, isNew: entity.Status?.ObservedGeneration is null);

    public Task<ReconciliationResult<Adapter>> DeletedAsync(Adapter entity, CancellationToken cancellationToken)
    {
        statuses.Forget(entity);
        return Task.FromResult(ReconciliationResult<Adapter>.Success(entity));
    }

    private TimeSpan NextLook(AdapterStatus status)
    {
        string? reason = status.Conditions?.FirstOrDefault(condition => condition.Type == AdapterConditions.Ready)?.Reason;
        bool failed = status.Conditions?.Any(condition => condition is { Type: AdapterConditions.Failed, Status: ConditionStatus.True }) == true;
        if (failed)
            return AfterRefusal;
        OperatorOptions settings = options.Value;
        // Pods and routes are watched; a silent worker that answers again is told by nobody.
        TimeSpan wanted = reason is Reasons.WorkerUnreachable
            ? TimeSpan.FromMilliseconds(settings.PollMilliseconds)
            : TimeSpan.FromSeconds(settings.SteadySeconds);
        return settings.Paced(wanted, adapters.Count);
    }
}
