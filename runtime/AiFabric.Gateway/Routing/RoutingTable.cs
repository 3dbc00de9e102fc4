namespace AiFabric.Gateway.Routing;

/// <summary>Where a request may go, or why it may go nowhere.</summary>
public abstract record RouteChoice
{
    /// <summary>Workers that serve the model, at least one.</summary>
    public sealed record To(IReadOnlyList<WorkerEndpoint> Workers) : RouteChoice;

    /// <summary>No resource has this name.</summary>
    public sealed record UnknownModel : RouteChoice;

    /// <summary>The model is served, the adapter is not loaded.</summary>
    public sealed record UnknownAdapter(string Adapter) : RouteChoice;

    /// <summary>The model exists and no worker is ready.</summary>
    public sealed record NotReady : RouteChoice;

    /// <summary>Models of several namespaces have this name.</summary>
    public sealed record Ambiguous(IReadOnlyList<string> Candidates) : RouteChoice;
}

/// <summary>An immutable snapshot of who serves what. Pure: built from observations, asked by requests.</summary>
/// <param name="workers">Workers that are ready and answered.</param>
/// <param name="declared">Models that exist as resources, with the name each is served under.</param>
public sealed class RoutingTable(IReadOnlyList<WorkerEndpoint> workers, IReadOnlyDictionary<ModelKey, string> declared)
{
    public static readonly RoutingTable Empty = new([], new Dictionary<ModelKey, string>());

    public IReadOnlyList<WorkerEndpoint> Workers { get; } = workers;

    public IReadOnlyDictionary<ModelKey, string> Declared { get; } = declared;

    /// <summary>Every model that is declared or served.</summary>
    public IReadOnlySet<ModelKey> Models { get; } = declared.Keys.Concat(workers.Select(w => w.Pod.Model)).ToHashSet();

    /// <summary>Finds the workers for a model name.</summary>
    public RouteChoice Find(ModelName name)
    {
        ModelKey[] models = [.. Workers.Where(w => name.Matches(w.Pod)).Select(w => w.Pod.Model)
            .Concat(Declared.Where(d => name.Matches(d.Key.Namespace, d.Value)).Select(d => d.Key)).Distinct()];
        if (models.Length == 0)
            return new RouteChoice.UnknownModel();
        if (models.Length > 1)
            return new RouteChoice.Ambiguous([.. models.Select(m => $"{m.Namespace}/{ServedName(m)}").Order(StringComparer.Ordinal)]);

        WorkerEndpoint[] serving = [.. Workers.Where(w => w.Pod.Model == models[0])];
        if (serving.Length == 0)
            return new RouteChoice.NotReady();
        if (name.Adapter is null)
            return new RouteChoice.To(serving);

        WorkerEndpoint[] holding = [.. serving.Where(w => w.Adapters.Contains(name.Adapter))];
        return holding.Length == 0 ? new RouteChoice.UnknownAdapter(name.Adapter) : new RouteChoice.To(holding);
    }

    /// <summary>Picks the worker with the fewest requests in flight that was not tried yet; null when all were.</summary>
    public static WorkerEndpoint? Pick(IReadOnlyList<WorkerEndpoint> workers, IReadOnlyCollection<string> triedUids) =>
        workers.Where(w => !triedUids.Contains(w.Pod.Uid)).MinBy(w => w.InFlight.Count);

    private string ServedName(ModelKey model) =>
        Declared.TryGetValue(model, out string? name) ? name : Workers.First(w => w.Pod.Model == model).Pod.ServedName;
}
