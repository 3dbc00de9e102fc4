using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Pipelines;
using AiFabric.Kube;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Validation;
using k8s.Models;

namespace AiFabric.Operator.Pipelines;

/// <summary>Gathers what is known of a pipeline: from the caches and the gateways.</summary>
internal sealed class PipelineObserver(
    IStore<Pipeline> pipelines, IStore<CoServedModel> models, IStore<Adapter> adapters, IStore<V1Deployment> deployments, IStore<V1Pod> pods,
    IGatewayDirectory gateways)
{
    public async Task<PipelineObservation> ObserveAsync(Pipeline pipeline, CancellationToken cancellationToken)
    {
        string space = pipeline.Metadata.NamespaceProperty;
        V1Deployment?[] named = [.. pipeline.Spec.Stages.Select(stage => deployments.Get(space, PipelineRules.FullName(pipeline, stage)))];
        return new PipelineObservation
        {
            Pipeline = pipeline,
            Violations = PipelineRules.All.Check(pipeline),
            Models = models.List(space).ToDictionary(model => model.Metadata.Name),
            Adapters = adapters.List(space).ToDictionary(adapter => adapter.Metadata.Name),
            Pipelines = pipelines.List(space).ToDictionary(other => other.Metadata.Name),
            Deployments = named.OfType<V1Deployment>().DistinctBy(deployment => deployment.Metadata.Name).ToDictionary(deployment => deployment.Metadata.Name),
            Owned = [.. deployments.List(space).Where(deployment => PipelinePlanner.IsOwned(pipeline, deployment))],
            Pods = [.. pods.List(space).Where(pod => PipelineOf(pod) == NamespacedName.Of(pipeline))],
            Gateways = await gateways.AskAsync(cancellationToken),
        };
    }

    /// <summary>The pipeline whose function the pod runs; null for other pods.</summary>
    public static NamespacedName? PipelineOf(V1Pod pod) =>
        pod.Metadata.Labels is { } labels && labels.TryGetValue(Labels.Pipeline, out string? name) ? new NamespacedName(pod.Metadata.NamespaceProperty, name) : null;
}
