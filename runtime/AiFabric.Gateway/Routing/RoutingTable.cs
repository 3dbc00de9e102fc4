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

    /// <summary>The same table with only those workers for which <paramref name="stays"/> holds.</summary>
    public RoutingTable Where(Func<WorkerEndpoint, bool> stays) => new([.. Workers.Where(stays)], Declared);

    /// <summary>Picks the worker with the fewest requests in flight that was not tried yet; null when all were.</summary>
    /// <param name="workers">Who may be picked.</param>
    /// <param name="triedUids">Who may not, any more.</param>
    /// <param name="turn">Counts requests: equals take turns, for idle workers would else leave all work to the first.</param>
    public static WorkerEndpoint? Pick(IReadOnlyList<WorkerEndpoint> workers, IReadOnlyCollection<string> triedUids, uint turn)
    {
        WorkerEndpoint? best = null;
        int least = int.MaxValue;
        for (uint i = 0; i < workers.Count; i++)
        {
            WorkerEndpoint worker = workers[(int)((turn + i) % (uint)workers.Count)];
            int load = worker.InFlight.Count;
            if (load < least && !triedUids.Contains(worker.Pod.Uid))
                (best, least) = (worker, load);
        }

        return best;
    }

    private string ServedName(ModelKey model) =>
        Declared.TryGetValue(model, out string? name) ? name : Workers.First(w => w.Pod.Model == model).Pod.ServedName;
}
