using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using AiFabric.Operator.Finetuning;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Validation;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Adapters;

/// <summary>Gathers what is known of an adapter: from the caches, the model's ready workers and the gateways.</summary>
internal sealed class AdapterObserver(
    WorkerPods pods, IStore<CoServedModel> models, IStore<FinetuneJob> jobs, IWorkerClient workers, IGatewayDirectory gateways,
    AdapterExecutor executor, IOptions<OperatorOptions> options)
{
    public async Task<AdapterObservation> ObserveAsync(Adapter adapter, CancellationToken cancellationToken)
    {
        string space = adapter.Metadata.NamespaceProperty;
        WorkerPod[] ready = [.. pods.Of(space, adapter.Spec.ModelRef.Name).Where(pod => pod.Reachable)];
        FinetuneJob? job = adapter.Spec.Source.FinetuneJobRef is { } reference ? jobs.Get(space, reference.Name) : null;
        Task<GatewayView> routes = gateways.AskAsync(cancellationToken);
        AdapterReplica[] replicas = await Task.WhenAll(ready.Select(pod => AskAsync(pod, adapter.Metadata.Name, cancellationToken)));
        return new AdapterObservation
        {
            Adapter = adapter,
            Violations = [.. AdapterRules.All.Check(adapter), .. AcceptedSpec.Changes(AdapterRules.All, adapter)],
            Model = models.Get(space, adapter.Spec.ModelRef.Name),
            Job = job,
            JobOutput = job is null ? null : FinetunePaths.Output(job, options.Value.GetData())?.ToString(),
            Replicas = replicas,
            Gateways = await routes,
        };
    }

    private async Task<AdapterReplica> AskAsync(WorkerPod pod, string adapter, CancellationToken cancellationToken)
    {
        WorkerReply<AdapterList> reply = await workers.ListAdaptersAsync(pod, cancellationToken);
        return new AdapterReplica(
            pod, reply.Value?.Adapters.FirstOrDefault(entry => entry.Name == adapter)?.Digest, reply.IsOk ? null : reply.Message,
            executor.Sent(pod, adapter));
    }
}
