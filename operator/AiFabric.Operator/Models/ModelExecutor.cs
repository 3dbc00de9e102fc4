using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Workers;
using k8s.Models;

namespace AiFabric.Operator.Models;

/// <summary>Carries out a <see cref="ModelPlan"/>.</summary>
internal sealed class ModelExecutor(
    IKubernetesClient client, IWorkerClient workers, BudgetExecutor budgets, IEventRecorder events, OperatorMetrics metrics, TimeProvider time,
    ILogger<ModelExecutor> logger)
{
    /// <exception cref="KubernetesApiException">The API server refused.</exception>
    public async Task ApplyAsync(CoServedModel model, ModelPlan plan, CancellationToken cancellationToken)
    {
        if (plan.Service is { } service)
        {
            await client.ApplyAsync(service, cancellationToken: cancellationToken);
            metrics.ObjectWrites.WithLabels("Service").Inc();
        }
        if (plan.Deployment is { } deployment)
        {
            await client.ApplyAsync(deployment, cancellationToken: cancellationToken);
            metrics.ObjectWrites.WithLabels("Deployment").Inc();
            Log.DeploymentApplied(logger, NamespacedName.Of(model), plan.Revision, plan.Replicas);
            if (plan is { Before: { } before, Scale: { } scale })
            {
                Log.Rescaled(logger, NamespacedName.Of(model), before, plan.Replicas, scale.Cause);
                await events.RecordAsync(
                    model, EventType.Normal, Reasons.SuccessfulRescale, $"from {before} to {plan.Replicas} replicas: {scale.Cause}", cancellationToken);
            }
        }
        await budgets.ApplyAsync(model, plan.Budget, cancellationToken);
        foreach (GateChange change in plan.Gates)
            await ApplyAsync(change, cancellationToken);
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
    }

    private async Task ApplyAsync(GateChange change, CancellationToken cancellationToken)
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
        }
        catch (KubernetesApiException e) when (e.IsNotFound)
        {
            // The pod went while it was looked at.
        }
    }
}
