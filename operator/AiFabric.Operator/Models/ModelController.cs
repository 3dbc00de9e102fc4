using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Objects;
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
        (string fingerprint, Check token) = await EnsureTokenAsync(entity, cancellationToken);
        ModelObservation observed = (await observer.ObserveAsync(entity, fingerprint, cancellationToken)) with { Token = token };
        ModelPlan plan = ModelPlanner.Plan(observed, settings.GetPodSettings());
        ModelPlan done = await executor.ApplyAsync(entity, plan, cancellationToken);
        CoServedModelStatus status = ModelStatusBuilder.Build(observed, done, settings.PublicUrl, time.GetUtcNow());
        await statuses.WriteAsync<CoServedModel, CoServedModelSpec, CoServedModelStatus>(
            entity, status, s => s.Conditions, [], cancellationToken);
        // Pods, Deployments and routes are watched: this look is for what only the workers know.
        TimeSpan steady = TimeSpan.FromSeconds(settings.SteadySeconds);
        return ReconciliationResult<CoServedModel>.Success(entity, settings.Paced(done.Refused.Holds ? steady : OwnedObjects.Retry(steady), models.Count));
    }

    public Task<ReconciliationResult<CoServedModel>> DeletedAsync(CoServedModel entity, CancellationToken cancellationToken)
    {
        statuses.Forget(entity);
        loadings.Forget(entity);
        budgets.Forget(entity);
        tokens.Forget(entity.Metadata.NamespaceProperty, entity.Metadata.Name);
        return Task.FromResult(ReconciliationResult<CoServedModel>.Success(entity));
    }

    /// <returns>The fingerprint of the workers' control token, or why there is none. An invalid model needs none.</returns>
    private async Task<(string Fingerprint, Check Token)> EnsureTokenAsync(CoServedModel entity, CancellationToken cancellationToken)
    {
        if (ModelRules.All.Check(entity).Count > 0)
            return (string.Empty, Check.Pass);
        try
        {
            return await tokens.EnsureAsync(entity, cancellationToken) is { } token
                ? (ControlTokens.Fingerprint(token), Check.Pass)
                : (string.Empty, Check.Fail(Reasons.NameTaken, $"Secret {ControlTokens.SecretName(entity.Metadata.Name)} is that of a deleted model of this name, and about to go"));
        }
        catch (KubernetesApiException e) when (e.IsRefusal)
        {
            return (string.Empty, OwnedObjects.Refused($"Secret {ControlTokens.SecretName(entity.Metadata.Name)}", e));
        }
    }
}
