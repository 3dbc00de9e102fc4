using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Validation;
using AiFabric.Operator.Workers;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Models;

/// <summary>CoServedModel → Secret, Deployment, Service, status.</summary>
internal sealed class ModelController(
    ModelObserver observer, LoadingReports loadings, ModelExecutor executor, BudgetExecutor budgets, ControlTokens tokens, StatusWriter statuses,
    IStore<CoServedModel> models, IOptions<OperatorOptions> options, TimeProvider time) : IEntityController<CoServedModel>
{
    public async Task<ReconciliationResult<CoServedModel>> ReconcileAsync(CoServedModel entity, CancellationToken cancellationToken)
    {
        statuses.Freshen(entity);
        OperatorOptions settings = options.Value;
        bool isValid = ModelRules.All.Check(entity).Count == 0;
        string fingerprint = isValid ? ControlTokens.Fingerprint(await tokens.EnsureAsync(entity, cancellationToken)) : string.Empty;
        ModelObservation observed = await observer.ObserveAsync(entity, fingerprint, cancellationToken);
        ModelPlan plan = ModelPlanner.Plan(observed, settings.GetPodSettings());
        await executor.ApplyAsync(entity, plan, cancellationToken);
        CoServedModelStatus status = ModelStatusBuilder.Build(observed, plan, settings.PublicUrl, time.GetUtcNow());
        await statuses.WriteAsync<CoServedModel, CoServedModelSpec, CoServedModelStatus>(
            entity, status, s => s.Conditions, [], cancellationToken);
        // Pods, Deployments and routes are watched: this look is for what only the workers know.
        return ReconciliationResult<CoServedModel>.Success(entity, settings.Paced(TimeSpan.FromSeconds(settings.SteadySeconds), models.Count));
    }

    public Task<ReconciliationResult<CoServedModel>> DeletedAsync(CoServedModel entity, CancellationToken cancellationToken)
    {
        statuses.Forget(entity);
        loadings.Forget(entity);
        budgets.Forget(entity);
        tokens.Forget(entity.Metadata.NamespaceProperty, entity.Metadata.Name);
        return Task.FromResult(ReconciliationResult<CoServedModel>.Success(entity));
    }
}
