using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Routing;

/// <summary>Where a request may go, or why it may go nowhere.</summary>
public abstract record RouteChoice
{
    /// <summary>The model that is asked for; null when none is, or none that could ever answer.</summary>
    public ModelKey? Wanted => this is Stopped ? null : Named;

    /// <summary>The model that the name is for; null when there is none, or more than one.</summary>
    public ModelKey? Named => this switch
    {
        To to => to.Workers[0].Pod.Model,
        NotReady absent => absent.Model,
        Stopped stopped => stopped.Model,
        _ => null,
    };

    /// <summary>Workers that serve the model, at least one.</summary>
    public sealed record To(IReadOnlyList<WorkerEndpoint> Workers) : RouteChoice;

    /// <summary>No resource has this name.</summary>
    public sealed record UnknownModel : RouteChoice;

    /// <summary>The model exists, the adapter does not.</summary>
    public sealed record UnknownAdapter(string Adapter) : RouteChoice;

    /// <summary>The model (and the adapter, if one was named) exists, and no worker is there that could answer.</summary>
    public sealed record NotReady(ModelKey Model) : RouteChoice;

    /// <summary>The model's owner wants no replicas.</summary>
    public sealed record Stopped(ModelKey Model) : RouteChoice;

    /// <summary>Models of several namespaces have this name.</summary>
    public sealed record Ambiguous(IReadOnlyList<string> Candidates) : RouteChoice;
}

/// <summary>An immutable snapshot of who serves what. Pure: built from observations, asked by requests.</summary>
/// <param name="workers">Workers that are ready and answered.</param>
/// <param name="declared">Models that exist as resources.</param>
public sealed class RoutingTable(IReadOnlyList<WorkerEndpoint> workers, IReadOnlyDictionary<ModelKey, DeclaredModel> declared)
{
    public static readonly RoutingTable Empty = new([], new Dictionary<ModelKey, DeclaredModel>());

    public IReadOnlyList<WorkerEndpoint> Workers { get; } = workers;

    public IReadOnlyDictionary<ModelKey, DeclaredModel> Declared { get; } = declared;

    /// <summary>Every model that is declared or served.</summary>
    public IReadOnlySet<ModelKey> Models { get; } = declared.Keys.Concat(workers.Select(w => w.Pod.Model)).ToHashSet();

    /// <summary>Finds the workers for a model name.</summary>
    public RouteChoice Find(ModelName name)
    {
        ModelKey[] models = [.. Workers.Where(w => name.Matches(w.Pod)).Select(w => w.Pod.Model)
            .Concat(Declared.Where(d => name.Matches(d.Key.Namespace, d.Value.ServedName)).Select(d => d.Key)).Distinct()];
        if (models.Length == 0)
            return new RouteChoice.UnknownModel();
        if (models.Length > 1)
            return new RouteChoice.Ambiguous([.. models.Select(m => $"{m.Namespace}/{ServedName(m)}").Order(StringComparer.Ordinal)]);

        return Of(models[0], name.Adapter);
    }

    /// <summary>Finds the workers of a model, or those of them that hold an adapter.</summary>
    public RouteChoice Of(ModelKey model, string? adapter)
    {
        WorkerEndpoint[] serving = [.. Workers.Where(w => w.Pod.Model == model)];
        WorkerEndpoint[] holding = adapter is null ? serving : [.. serving.Where(w => w.Adapters.Contains(adapter))];
        if (holding.Length > 0)
            return new RouteChoice.To(holding);
        return Models.Contains(model) ? Absent(model, adapter, serving.Length > 0) : new RouteChoice.UnknownModel();
    }

    /// <summary>The same table with only those workers for which <paramref name="stays"/> holds.</summary>
    public RoutingTable Where(Func<WorkerEndpoint, bool> stays) => new([.. Workers.Where(stays)], Declared);

    /// <summary>Picks a worker for a request by its model's policy; null when all were tried.</summary>
    /// <param name="workers">Who may be picked.</param>
    /// <param name="triedUids">Who may not, any more.</param>
    /// <param name="query">The request.</param>
    /// <param name="prompt">Its prompt; null when no cache matters.</param>
    public static WorkerEndpoint? Pick(IReadOnlyList<WorkerEndpoint> workers, IReadOnlyCollection<string> triedUids, in RouteQuery query, PromptPieces? prompt)
    {
        var left = new List<WorkerEndpoint>(workers.Count);
        foreach (WorkerEndpoint worker in workers)
        {
            if (!triedUids.Contains(worker.Pod.Uid))
                left.Add(worker);
        }
        var candidates = new Candidate[left.Count];
        for (int i = 0; i < candidates.Length; i++)
            candidates[i] = left[i].For(prompt);
        int picked = RoutePlanner.Pick(query, candidates);
        return picked < 0 ? null : left[picked];
    }

    /// <summary>The name of one of <see cref="Models"/> in OpenAI's model field.</summary>
    public string ServedName(ModelKey model) =>
        Declared.TryGetValue(model, out DeclaredModel? declared) ? declared.ServedName : Workers.First(w => w.Pod.Model == model).Pod.ServedName;

    /// <summary>The same of any model; of one that nobody knows, its own.</summary>
    public string NameOf(ModelKey model) => Models.Contains(model) ? ServedName(model) : model.Name;

    private RouteChoice Absent(ModelKey model, string? adapter, bool isServed)
    {
        Declared.TryGetValue(model, out DeclaredModel? declared);
        if (adapter is not null && declared?.Adapters.Contains(adapter) != true)
            return new RouteChoice.UnknownAdapter(adapter);
        return declared?.IsStopped == true && !isServed ? new RouteChoice.Stopped(model) : new RouteChoice.NotReady(model);
    }
}
