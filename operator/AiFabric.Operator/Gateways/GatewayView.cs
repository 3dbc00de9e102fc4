using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Pipelines;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Operator.Gateways;

/// <summary>What one gateway replica routes to, or why that is not known.</summary>
internal sealed record GatewayReplica(string Name, RouteReport? Report, string? Error = null)
{
    // Every model of the cluster looks its pods up in the same report.
    private readonly Lazy<ILookup<string, RouteEntry>> _routes = new(() => (Report?.Routes ?? []).ToLookup(route => route.PodUid));
    private readonly Lazy<ILookup<(string, string), RouteEntry>> _models = new(
        () => (Report?.Routes ?? []).ToLookup(route => (route.Namespace, route.Model)));

    /// <summary>The route to this very pod, in the revision it has now; null for none.</summary>
    public RouteEntry? Find(WorkerPod pod) => _routes.Value[pod.Uid].FirstOrDefault(route => route.Revision == pod.Revision);

    /// <summary>Its routes to a model's pods; none when it did not answer.</summary>
    public IEnumerable<RouteEntry> RoutesTo(string @namespace, string model) =>
        _models.Value[(@namespace, model)];

    /// <summary>How it serves this pipeline in the generation it has now; null when it does not.</summary>
    public PipelineEntry? Find(Pipeline pipeline) => (Report?.Pipelines ?? []).FirstOrDefault(
        entry => entry.Namespace == pipeline.Metadata.NamespaceProperty && entry.Name == pipeline.Metadata.Name && entry.Generation == pipeline.Metadata.Generation);
}

/// <summary>What all gateway replicas route to.</summary>
internal sealed record GatewayView(IReadOnlyList<GatewayReplica> Replicas)
{
    public static GatewayView None { get; } = new([]);

    /// <summary>Whether every replica routes to this very pod, in the revision it has now.</summary>
    public bool Routes(WorkerPod pod) => Replicas.Count > 0 && Replicas.All(replica => replica.Find(pod) is not null);

    /// <summary>Whether every replica routes this adapter's requests to this pod.</summary>
    public bool RoutesAdapter(WorkerPod pod, string adapter) =>
        Replicas.Count > 0 && Replicas.All(replica => replica.Find(pod)?.Adapters.Contains(adapter) == true);

    /// <summary>Whether every replica serves this pipeline in the generation it has now.</summary>
    public bool Serves(Pipeline pipeline) => Replicas.Count > 0 && Replicas.All(replica => replica.Find(pipeline) is not null);

    /// <summary>Whether every replica calls this pod for a stage of the pipeline.</summary>
    public bool CallsFunction(Pipeline pipeline, string podUid) =>
        Replicas.Count > 0 && Replicas.All(replica => replica.Find(pipeline)?.Functions.Contains(podUid) == true);

    /// <summary>By what each replica routes a part of the model's requests elsewhere, or copies it; null for one that does not.</summary>
    public IEnumerable<TrafficEntry?> Traffic(CoServedModel model, bool isMirror) => Replicas.Select(replica => (replica.Report?.Traffic ?? []).FirstOrDefault(
        entry => entry.IsMirror == isMirror && entry.Namespace == model.Metadata.NamespaceProperty && entry.Model == model.Metadata.Name));

    /// <summary>Whether the gateways are there and answer, so that what they say is all there is.</summary>
    public Check Answering()
    {
        if (Replicas.Count == 0)
            return Check.Fail(Reasons.NoGateway, "no gateway is running, so nothing reaches the model");
        GatewayReplica? silent = Replicas.FirstOrDefault(replica => replica.Report is null);
        return silent is null ? Check.Pass : Check.Fail(Reasons.GatewayUnreachable, $"gateway {silent.Name} does not answer: {silent.Error}");
    }
}
