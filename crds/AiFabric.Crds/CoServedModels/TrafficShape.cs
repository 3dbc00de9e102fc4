namespace AiFabric.Crds.CoServedModels;

/// <summary>How canaries and mirrors hang together. Pure: the operator judges by it, and the gateways route by it.</summary>
public static class TrafficShape
{
    /// <summary>Canary and mirror of a model, those that it has.</summary>
    public static IEnumerable<TrafficSpec> Of(CoServedModel model) =>
        new[] { model.Spec.Routing?.Canary, model.Spec.Routing?.Mirror }.OfType<TrafficSpec>();

    /// <summary>Whether a model names itself, and none of its adapters.</summary>
    public static bool IsItself(CoServedModel model, TrafficSpec traffic) => traffic.ModelRef.Adapter is null && traffic.ModelRef.Name == model.Metadata.Name;

    /// <summary>The first way that leads from a model by canaries and mirrors back to it, such as <c>a → b → a</c>; null when there is none.</summary>
    /// <param name="model">A model.</param>
    /// <param name="known">Models of its namespace, by name.</param>
    public static string? Circle(CoServedModel model, IReadOnlyDictionary<string, CoServedModel> known)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var ways = new Stack<(CoServedModel At, string Way)>([(model, model.Metadata.Name)]);
        while (ways.TryPop(out var next))
        {
            foreach (string name in Of(next.At).Select(traffic => traffic.ModelRef.Name))
            {
                // One's own adapters lead nowhere else.
                if (name == next.At.Metadata.Name)
                    continue;
                if (name == model.Metadata.Name)
                    return $"{next.Way} → {name}";
                if (seen.Add(name) && known.TryGetValue(name, out CoServedModel? other))
                    ways.Push((other, $"{next.Way} → {name}"));
            }
        }
        return null;
    }
}
