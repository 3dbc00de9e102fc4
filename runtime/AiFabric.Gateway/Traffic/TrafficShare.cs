using AiFabric.Crds.CoServedModels;
using AiFabric.Gateway.Routing;

namespace AiFabric.Gateway.Traffic;

/// <summary>A part of a model's requests, and whom it goes or is copied to.</summary>
/// <param name="Model">Model that gets it.</param>
/// <param name="Adapter">Its adapter that gets it; null for the model itself.</param>
/// <param name="Percent">Requests of a hundred.</param>
public sealed record TrafficShare(ModelKey Model, string? Adapter, int Percent)
{
    /// <summary>Whom it goes to, as metrics name it.</summary>
    public string Target => NameOf(Model, Adapter);

    /// <summary>A model, or an adapter of it, as resources are named.</summary>
    public static string NameOf(ModelKey model, string? adapter) => adapter is null ? model.Name : $"{model.Name}:{adapter}";

    /// <summary>Reads one; null where there is none, or where it leads back to the model, which the operator tells of.</summary>
    /// <param name="model">Whose requests they are.</param>
    /// <param name="spec">The share in its spec.</param>
    /// <param name="known">Models of its namespace, by name.</param>
    public static TrafficShare? Read(CoServedModel model, TrafficSpec? spec, IReadOnlyDictionary<string, CoServedModel> known) =>
        spec is null || TrafficShape.IsItself(model, spec) || TrafficShape.Circle(model, known) is not null
            ? null
            : new TrafficShare(new ModelKey(model.Metadata.NamespaceProperty, spec.ModelRef.Name), spec.ModelRef.Adapter, spec.Percent ?? 0);
}
