using System.Collections.Frozen;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Gateway.Traffic;

namespace AiFabric.Gateway.Routing;

/// <summary>A model as its resource describes it, whether a worker is there or not.</summary>
/// <param name="ServedName">Name in OpenAI's model field.</param>
public sealed record DeclaredModel(string ServedName)
{
    /// <summary>Its owner set <c>replicas: 0</c>: no request brings it back.</summary>
    public bool IsStopped { get; init; }

    /// <summary>It may be at zero replicas while nobody asks, and comes back when somebody does.</summary>
    public bool SleepsWhenIdle { get; init; }

    /// <summary>How its workers are chosen among.</summary>
    public RoutingPolicy Policy { get; init; }

    /// <summary>Who answers a part of its requests in its place; null for nobody.</summary>
    public TrafficShare? Canary { get; init; }

    /// <summary>Who gets copies of a part of its requests; null for nobody.</summary>
    public TrafficShare? Mirror { get; init; }

    /// <summary>Adapters that exist as resources and have not failed: workers hold them, or are to.</summary>
    public IReadOnlySet<string> Adapters { get; init; } = FrozenSet<string>.Empty;

    /// <summary>Reads the resources of all models. Pure.</summary>
    public static Dictionary<ModelKey, DeclaredModel> Read(IReadOnlyCollection<CoServedModel> models, IEnumerable<Adapter> adapters)
    {
        var neighbours = new Lazy<ILookup<string, CoServedModel>>(() => models.ToLookup(model => model.Metadata.NamespaceProperty));
        ILookup<ModelKey, string> names = adapters
            .Where(adapter => adapter.Status?.Conditions?.Any(condition => condition is { Type: AdapterConditions.Failed, Status: "True" }) != true)
            .ToLookup(adapter => new ModelKey(adapter.Metadata.NamespaceProperty, adapter.Spec.ModelRef.Name), adapter => adapter.Metadata.Name);
        return models.ToDictionary(model => new ModelKey(model.Metadata.NamespaceProperty, model.Metadata.Name), model =>
            new DeclaredModel(model.Spec.Model.Name ?? model.Metadata.Name)
            {
                IsStopped = model.Spec.Replicas == 0,
                Canary = ShareOf(model, model.Spec.Routing?.Canary),
                Mirror = ShareOf(model, model.Spec.Routing?.Mirror),
                Policy = model.Spec.Routing?.Policy ?? RoutingPolicy.PrefixAware,
                SleepsWhenIdle = model.Spec.Scaling?.MinReplicas == 0,
                Adapters = names[new ModelKey(model.Metadata.NamespaceProperty, model.Metadata.Name)].ToFrozenSet(StringComparer.Ordinal),
            });

        TrafficShare? ShareOf(CoServedModel model, TrafficSpec? spec) => spec is null
            ? null
            : TrafficShare.Read(model, spec, neighbours.Value[model.Metadata.NamespaceProperty].ToDictionary(other => other.Metadata.Name));
    }
}
