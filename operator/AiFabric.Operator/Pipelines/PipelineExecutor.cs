using AiFabric.Crds.Pipelines;
using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Operator.Pipelines;

/// <summary>Carries out a <see cref="PipelinePlan"/>.</summary>
internal sealed class PipelineExecutor(IKubernetesClient client, OperatorMetrics metrics, ILogger<PipelineExecutor> logger)
{
    /// <exception cref="KubernetesApiException">The API server refused.</exception>
    public async Task ApplyAsync(Pipeline pipeline, PipelinePlan plan, CancellationToken cancellationToken)
    {
        foreach (V1Deployment deployment in plan.Deployments)
        {
            await client.ApplyAsync(deployment, cancellationToken: cancellationToken);
            metrics.ObjectWrites.WithLabels("Deployment").Inc();
            Log.FunctionApplied(logger, NamespacedName.Of(pipeline), deployment.Metadata.Name);
        }
        foreach (V1Deployment stray in plan.Stray)
        {
            await client.DeleteAsync(stray, cancellationToken: cancellationToken);
            metrics.ObjectWrites.WithLabels("Deployment").Inc();
            Log.StrayFunction(logger, NamespacedName.Of(pipeline), stray.Metadata.Name);
        }
    }
}
