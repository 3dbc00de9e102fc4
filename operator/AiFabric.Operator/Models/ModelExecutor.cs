using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Workers;
using k8s.Models;

namespace AiFabric.Operator.Models;

/// <summary>Carries out a <see cref="ModelPlan"/>.</summary>
internal sealed class ModelExecutor(
    IKubernetesClient client, OwnedObjects objects, IWorkerClient workers, BudgetExecutor budgets, IEventRecorder events, OperatorMetrics metrics,
    TimeProvider time, ILogger<ModelExecutor> logger)
{
    /// <returns>The plan as it was carried out: with what the API server refused.</returns>
    /// <exception cref="KubernetesApiException">The API server failed.</exception>
    public async Task<ModelPlan> ApplyAsync(CoServedModel model, ModelPlan plan, CancellationToken cancellationToken)
    {
        // First: trouble with an object must not keep requests from a pod that serves.
        var gates = new List<Check>();
        foreach (GateChange change in plan.Gates)
            gates.Add(await ApplyAsync(change, cancellationToken));
        Check service = await objects.ApplyAsync(plan.Service, cancellationToken);
        Check deployment = await objects.ApplyAsync(plan.Deployment, cancellationToken);
        if (plan.Deployment is not null && deployment.Holds)
            await TellAsync(model, plan, cancellationToken);
        await budgets.ApplyAsync(model, plan.Budget, cancellationToken);
        foreach (StrayAdapter stray in plan.StrayAdapters)
        {
            Log.StrayAdapter(logger, stray.Name, stray.Pod.Name);
            await workers.DeleteAdapterAsync(stray.Pod, stray.Name, cancellationToken);
        }
        foreach (StraySession stray in plan.StraySessions)
        {
            Log.StraySession(logger, stray.Uid, stray.Pod.Name);
            await workers.DeleteTrainingAsync(stray.Pod, stray.Uid, cancellationToken);
        }
        return plan with
        {
            Refused = Check.FirstFailure([plan.Refused, deployment, service, .. gates]) ?? Check.Pass,
            Revision = deployment.Holds ? plan.Revision : null,
        };
    }

    private async Task TellAsync(CoServedModel model, ModelPlan plan, CancellationToken cancellationToken)
    {
        Log.DeploymentApplied(logger, NamespacedName.Of(model), plan.Revision, plan.Replicas);
        if (plan is not { Before: { } before, Scale: { } scale })
            return;
        Log.Rescaled(logger, NamespacedName.Of(model), before, plan.Replicas, scale.Cause);
        await events.RecordAsync(
            model, EventType.Normal, Reasons.SuccessfulRescale, $"from {before} to {plan.Replicas} replicas: {scale.Cause}", cancellationToken);
    }

    private async Task<Check> ApplyAsync(GateChange change, CancellationToken cancellationToken)
    {
        var condition = new V1PodCondition
        {
            Type = PodConditions.Routable,
            Status = ConditionStatus.Of(change.Routable),
            Reason = change.Reason,
            Message = change.Message,
            LastTransitionTime = ConditionSet.WholeSeconds(time.GetUtcNow()),
        };
        try
        {
            // The kubelet owns the other conditions; an apply touches none but this.
            await client.ApplyStatusAsync(
                new V1Pod
                {
                    Metadata = new V1ObjectMeta { Name = change.Pod.Name, NamespaceProperty = change.Pod.Namespace },
                    Status = new V1PodStatus { Conditions = [condition] },
                },
                cancellationToken: cancellationToken);
            metrics.ObjectWrites.WithLabels("Pod").Inc();
            Log.GateWritten(logger, change.Pod.Name, condition.Status, change.Message);
            return Check.Pass;
        }
        catch (KubernetesApiException e) when (e.IsNotFound)
        {
            return Check.Pass; // The pod went while it was looked at.
        }
        catch (KubernetesApiException e) when (e.IsRefusal)
        {
            return OwnedObjects.Refused($"the readiness gate of Pod {change.Pod.Name}", e);
        }
    }
}
