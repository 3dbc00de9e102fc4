using System.Globalization;
using AiFabric.Crds.Adapters;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Models;

namespace AiFabric.Operator.Adapters;

/// <summary>Says of an adapter what was observed. Pure.</summary>
internal static class AdapterStatusBuilder
{
    /// <param name="observed">What was known.</param>
    /// <param name="plan">What was decided.</param>
    /// <param name="outcomes">How it stands on every ready replica.</param>
    /// <param name="now">The time of transitions.</param>
    public static AdapterStatus Build(
        AdapterObservation observed, AdapterPlan plan, IReadOnlyList<AdapterOutcome> outcomes, DateTimeOffset now)
    {
        Adapter adapter = observed.Adapter;
        var conditions = new ConditionSet(adapter.Status?.Conditions, adapter.Metadata.Generation, now);
        int loaded = outcomes.Count(outcome => outcome.State.Holds);
        AdapterOutcome? refused = outcomes.FirstOrDefault(outcome => outcome.Refused);
        AdapterOutcome? missing = refused ?? outcomes.FirstOrDefault(outcome => !outcome.State.Holds);
        conditions.Set(
            AdapterConditions.Ready,
            Check.FirstFailure(
            [
                plan.Refusal,
                observed.Replicas.Count > 0
                    ? Check.Pass
                    : Check.Fail(Reasons.ModelNotReady, $"CoServedModel {adapter.Spec.ModelRef.Name} has no ready replica"),
                missing?.State ?? Check.Pass,
                observed.Gateways.Answering(),
                Routed(observed),
            ]),
            Reasons.Serving,
            string.Create(CultureInfo.InvariantCulture, $"loaded on {loaded} of {observed.Replicas.Count} ready replicas and routed to"));
        if (Failure(plan, refused) is { } failure)
            conditions.Set(AdapterConditions.Failed, ConditionStatus.True, failure.Reason, failure.Message);
        else
            conditions.Set(AdapterConditions.Failed, ConditionStatus.False, Reasons.NoFailure, "nothing failed");
        return new AdapterStatus
        {
            ObservedGeneration = adapter.Metadata.Generation,
            LoadedReplicas = loaded,
            DesiredReplicas = observed.Replicas.Count,
            ServedName = observed.Model is { } model ? $"{PodTemplateBuilder.ServedName(model)}:{adapter.Metadata.Name}" : null,
            Conditions = conditions.ToList(),
        };
    }

    private static Check Routed(AdapterObservation observed)
    {
        int routed = observed.Replicas.Count(replica => observed.Gateways.RoutesAdapter(replica.Pod, observed.Adapter.Metadata.Name));
        return routed == observed.Replicas.Count
            ? Check.Pass
            : Check.Fail(Reasons.NotRouted, $"the gateways route the adapter to {routed} of {observed.Replicas.Count} replicas");
    }

    private static Check? Failure(AdapterPlan plan, AdapterOutcome? refused)
    {
        if (plan.Refusal is { Holds: false, Reason: Reasons.InvalidSpec or Reasons.JobFailed })
            return plan.Refusal;
        return refused?.State;
    }
}
