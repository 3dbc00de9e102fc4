using AiFabric.Crds.Pipelines;
using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Objects;
using k8s.Models;

namespace AiFabric.Operator.Pipelines;

/// <summary>Carries out a <see cref="PipelinePlan"/>.</summary>
internal sealed class PipelineExecutor(OwnedObjects objects, ILogger<PipelineExecutor> logger)
{
    /// <returns>The plan as it was carried out: with what the API server refused.</returns>
    /// <exception cref="KubernetesApiException">The API server failed.</exception>
    public async Task<PipelinePlan> ApplyAsync(Pipeline pipeline, PipelinePlan plan, CancellationToken cancellationToken)
    {
        var refused = new Dictionary<string, Check>();
        foreach (V1Deployment deployment in plan.Deployments)
        {
            Check applied = await objects.ApplyAsync(deployment, cancellationToken);
            if (applied.Holds)
                Log.FunctionApplied(logger, NamespacedName.Of(pipeline), deployment.Metadata.Name);
            else
                refused[deployment.Metadata.Name] = applied;
        }
        foreach (V1Deployment stray in plan.Stray)
        {
            Check deleted = await objects.DeleteAsync(stray, cancellationToken);
            if (deleted.Holds)
                Log.StrayFunction(logger, NamespacedName.Of(pipeline), stray.Metadata.Name);
            else
                refused[stray.Metadata.Name] = deleted;
        }
        return plan with { Refused = refused };
    }
}
