using System.Globalization;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Conditions;

namespace AiFabric.Operator.Models;

/// <summary>What canary and mirror of a model name, as far as it is there.</summary>
/// <param name="Models">Models of the namespace, by name.</param>
/// <param name="Adapters">Adapters of the namespace that they name, by name.</param>
internal sealed record TrafficTargets(IReadOnlyDictionary<string, CoServedModel> Models, IReadOnlyDictionary<string, Adapter> Adapters)
{
    public static TrafficTargets None { get; } = new(new Dictionary<string, CoServedModel>(), new Dictionary<string, Adapter>());
}

/// <summary>Says whether a model's canary and mirror get what the spec gives them: what every gateway says that it does. Pure.</summary>
internal static class TrafficStatus
{
    public static void Set(ConditionSet conditions, ModelObservation observed, ModelPlan plan)
    {
        RoutingSpec? routing = observed.Model.Spec.Routing;
        Set(conditions, CoServedModelConditions.CanaryActive, observed, plan, routing?.Canary, isMirror: false);
        Set(conditions, CoServedModelConditions.MirrorActive, observed, plan, routing?.Mirror, isMirror: true);
    }

    private static void Set(ConditionSet conditions, string type, ModelObservation observed, ModelPlan plan, TrafficSpec? traffic, bool isMirror)
    {
        if (traffic is null)
        {
            conditions.Remove(type);
            return;
        }
        Check? failed = Check.FirstFailure(
            [plan.Refusal, Circle(observed), Exists(observed, traffic), observed.Gateways.Answering(), Applied(observed, traffic, isMirror), HasWorkers(observed, traffic, isMirror)]);
        string meanwhile = isMirror ? "nothing is copied meanwhile" : $"{observed.Model.Metadata.Name} answers all requests meanwhile";
        string share = string.Create(CultureInfo.InvariantCulture, $"{traffic.Percent ?? 0}% of the requests {(isMirror ? "are copied" : "go")} to {traffic.ModelRef}");
        conditions.Set(type, failed is { } check ? Check.Fail(check.Reason, $"{check.Message}; {meanwhile}") : null, Reasons.Routed, share);
    }

    private static Check Circle(ModelObservation observed) => TrafficShape.Circle(observed.Model, observed.Targets.Models) is { } circle
        ? Check.Fail(Reasons.CircularRouting, $"canaries and mirrors lead in a circle: {circle}")
        : Check.Pass;

    private static Check Exists(ModelObservation observed, TrafficSpec traffic)
    {
        (string model, string? adapter) = (traffic.ModelRef.Name, traffic.ModelRef.Adapter);
        if (!observed.Targets.Models.ContainsKey(model))
            return Check.Fail(Reasons.ModelNotFound, $"CoServedModel {model} does not exist");
        return adapter is null || (observed.Targets.Adapters.TryGetValue(adapter, out Adapter? found) && found.Spec.ModelRef.Name == model)
            ? Check.Pass
            : Check.Fail(Reasons.AdapterNotFound, $"CoServedModel {model} has no Adapter {adapter}");
    }

    /// <summary>Whether every gateway has heard of it, as it stands in the spec.</summary>
    private static Check Applied(ModelObservation observed, TrafficSpec traffic, bool isMirror) =>
        observed.Gateways.Traffic(observed.Model, isMirror).All(entry => entry is not null
            && entry.Target == traffic.ModelRef.Name && entry.Adapter == traffic.ModelRef.Adapter && entry.Percent == traffic.Percent)
            ? Check.Pass
            : Check.Fail(Reasons.NotRouted, $"not every gateway routes to {traffic.ModelRef} as the spec says yet");

    private static Check HasWorkers(ModelObservation observed, TrafficSpec traffic, bool isMirror)
    {
        if (observed.Gateways.Traffic(observed.Model, isMirror).All(entry => entry is { IsReady: true }))
            return Check.Pass;
        return observed.Targets.Models.TryGetValue(traffic.ModelRef.Name, out CoServedModel? target) && target.Spec.Scaling?.MinReplicas == 0
            ? Check.Fail(Reasons.ScaledToZero, $"no replica of {traffic.ModelRef} runs; requests that are meant for it start one")
            : Check.Fail(Reasons.ModelNotReady, $"not every gateway has a ready replica of {traffic.ModelRef}");
    }
}
