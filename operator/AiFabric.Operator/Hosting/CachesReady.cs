using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Crds.Pipelines;
using AiFabric.Kube;
using k8s.Models;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace AiFabric.Operator.Hosting;

/// <summary>Healthy once every cache holds its first list.</summary>
internal sealed class CachesReady(
    IStore<CoServedModel> models, IStore<Adapter> adapters, IStore<FinetuneJob> jobs, IStore<Pipeline> pipelines, IStore<V1Pod> pods, IStore<V1Deployment> deployments,
    IStore<V1Service> services, IStore<V1PodDisruptionBudget> budgets) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        (string Kind, bool Synced)[] caches =
        [
            ("CoServedModel", models.HasSynced), ("Adapter", adapters.HasSynced), ("FinetuneJob", jobs.HasSynced), ("Pipeline", pipelines.HasSynced), ("Pod", pods.HasSynced),
            ("Deployment", deployments.HasSynced), ("Service", services.HasSynced), ("PodDisruptionBudget", budgets.HasSynced),
        ];
        string[] empty = [.. caches.Where(cache => !cache.Synced).Select(cache => cache.Kind)];
        return Task.FromResult(
            empty.Length == 0 ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy($"not listed yet: {string.Join(", ", empty)}"));
    }
}
