using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using AiFabric.Operator.Finetuning;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Validation;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;
using k8s.Models;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Models;

/// <summary>Gathers what is known of a model: from the caches, its workers and the gateways.</summary>
internal sealed class ModelObserver(
    WorkerPods pods, IStore<V1Deployment> deployments, IStore<V1Service> services, IInformer<V1PodDisruptionBudget> budgets,
    IStore<CoServedModel> models, IStore<Adapter> adapters, IStore<FinetuneJob> jobs,
    IWorkerClient workers, LoadingReports loadings, IGatewayDirectory gateways, ScaleBook scales, IOptions<OperatorOptions> options)
{
    public async Task<ModelObservation> ObserveAsync(CoServedModel model, string tokenFingerprint, CancellationToken cancellationToken)
    {
        string space = model.Metadata.NamespaceProperty;
        IReadOnlyList<WorkerPod> mine = pods.Of(space, model.Metadata.Name);
        Task<GatewayView> routes = gateways.AskAsync(cancellationToken);
        (string Uid, LoadReport? Load)[] loads = await Task.WhenAll(
            mine.Where(pod => pod.Reachable).Select(pod => LoadAsync(pod, cancellationToken)));
        return new ModelObservation
        {
            Model = model,
            Violations = ModelRules.All.Check(model),
            Deployment = deployments.Get(space, ModelPlanner.DeploymentName(model)),
            Service = services.Get(space, ModelPlanner.ServiceName(model)),
            Budget = budgets.Get(space, BudgetPlanner.Name(model)),
            BudgetsServed = budgets.IsServed,
            EvictsUnready = options.Value.EvictUnreadyPods,
            Pods = mine,
            Loads = loads.Where(load => load.Load is not null).ToDictionary(load => load.Uid, load => load.Load!), // Filtered just before.
            Loadings = await loadings.AskAsync(model, mine, cancellationToken),
            Gateways = await routes,
            Scale = model.Spec.Scaling is null ? null : scales.Input(model, await gateways.AskDemandAsync(cancellationToken)),
            Adapters = adapters.OfModel(NamespacedName.Of(model)).Select(adapter => adapter.Metadata.Name).ToHashSet(),
            Jobs = jobs.OfModel(NamespacedName.Of(model)).Where(job => !FinetunePlanner.IsTerminal(job)).Select(job => job.Metadata.Uid).ToHashSet(),
            Targets = TargetsOf(model),
            TokenFingerprint = tokenFingerprint,
        };
    }

    private TrafficTargets TargetsOf(CoServedModel model)
    {
        string space = model.Metadata.NamespaceProperty;
        TrafficSpec[] traffic = [.. TrafficShape.Of(model)];
        if (traffic.Length == 0)
            return TrafficTargets.None;
        return new TrafficTargets(
            models.List(space).ToDictionary(other => other.Metadata.Name),
            traffic.Select(one => one.ModelRef.Adapter).OfType<string>().Distinct().Select(name => adapters.Get(space, name)).OfType<Adapter>()
                .ToDictionary(adapter => adapter.Metadata.Name));
    }

    private async Task<(string Uid, LoadReport? Load)> LoadAsync(WorkerPod pod, CancellationToken cancellationToken) =>
        (pod.Uid, (await workers.GetLoadAsync(pod, cancellationToken)).Value);
}
