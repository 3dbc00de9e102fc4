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

/// <summary>An immutable snapshot of who serves what. Pure: built from observations, asked by requests, which look everything up however many models there are.</summary>
public sealed class RoutingTable
{
    public static readonly RoutingTable Empty = new([], new Dictionary<ModelKey, DeclaredModel>());

    private readonly Dictionary<ModelKey, RouteChoice.To> _serving;
    private readonly Dictionary<string, ModelKey[]> _named;

    /// <param name="workers">Workers that are ready and answered.</param>
    /// <param name="declared">Models that exist as resources.</param>
    public RoutingTable(IReadOnlyList<WorkerEndpoint> workers, IReadOnlyDictionary<ModelKey, DeclaredModel> declared)
    {
        (Workers, Declared) = (workers, declared);
        _serving = workers.GroupBy(worker => worker.Pod.Model).ToDictionary(group => group.Key, group => new RouteChoice.To([.. group]));
        Models = declared.Keys.Concat(_serving.Keys).ToHashSet();
        // While a model's name changes, its workers still have the old one.
        _named = workers.Select(worker => (Model: worker.Pod.Model, worker.Pod.ServedName)).Concat(declared.Select(entry => (Model: entry.Key, entry.Value.ServedName)))
            .SelectMany(served => (IEnumerable<(string Name, ModelKey Model)>)[(served.ServedName, served.Model), ($"{served.Model.Namespace}/{served.ServedName}", served.Model)])
            .Distinct().GroupBy(named => named.Name, named => named.Model, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.ToArray(), StringComparer.Ordinal);
    }

    public IReadOnlyList<WorkerEndpoint> Workers { get; }

    public IReadOnlyDictionary<ModelKey, DeclaredModel> Declared { get; }

    /// <summary>Every model that is declared or served.</summary>
    public IReadOnlySet<ModelKey> Models { get; }

    /// <summary>Finds the workers for a model name.</summary>
    public RouteChoice Find(ModelName name) => _named.GetValueOrDefault(name.Name) switch
    {
        null => new RouteChoice.UnknownModel(),
        [var model] => Of(model, name.Adapter),
        var several => new RouteChoice.Ambiguous([.. several.Select(model => $"{model.Namespace}/{ServedName(model)}").Order(StringComparer.Ordinal)]),
    };

    /// <summary>Finds the workers of a model, or those of them that hold an adapter.</summary>
    public RouteChoice Of(ModelKey model, string? adapter)
    {
        if (!_serving.TryGetValue(model, out RouteChoice.To? serving))
            return Models.Contains(model) ? Absent(model, adapter, isServed: false) : new RouteChoice.UnknownModel();
        if (adapter is null)
            return serving;
        WorkerEndpoint[] holding = [.. serving.Workers.Where(worker => worker.Adapters.Contains(adapter))];
        return holding.Length > 0 ? new RouteChoice.To(holding) : Absent(model, adapter, isServed: true);
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
        Declared.TryGetValue(model, out DeclaredModel? declared) ? declared.ServedName : _serving[model].Workers[0].Pod.ServedName;

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
