using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using AiFabric.Operator.Workers;

namespace AiFabric.Operator.Models;

/// <summary>Carries out a <see cref="ModelPlan"/>.</summary>
internal sealed class ModelExecutor(
    IKubernetesClient client, IWorkerClient workers, OperatorMetrics metrics, ILogger<ModelExecutor> logger)
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
        }
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
}
