using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Objects;
using k8s.Models;

namespace AiFabric.Operator.Models;

/// <summary>What to do for a model's PodDisruptionBudget.</summary>
/// <param name="Apply">To apply; null when the live one is as wanted, or none is.</param>
/// <param name="Remove">To delete; null when there is nothing to delete.</param>
/// <param name="Possible">Why a wanted budget cannot be; passes otherwise.</param>
internal sealed record BudgetPlan(V1PodDisruptionBudget? Apply, V1PodDisruptionBudget? Remove, Check Possible)
{
    public static BudgetPlan Nothing { get; } = new(null, null, Check.Pass);
}

/// <summary>
/// Decides on a model's PodDisruptionBudget. Pure. Draining a node then takes one replica at a time; one that is not ready serves nobody and may
/// always go. A single replica has none: a budget would keep its node from ever being drained.
/// </summary>
internal static class BudgetPlanner
{
    public static string Name(CoServedModel model) => model.Metadata.Name;

    /// <param name="observed">What is there.</param>
    /// <param name="replicas">Pods there should be.</param>
    public static BudgetPlan Plan(ModelObservation observed, int replicas)
    {
        bool isOurs = OwnedMetadata.IsOwned(observed.Model, observed.Budget?.Metadata);
        if (replicas <= 1)
            return BudgetPlan.Nothing with { Remove = isOurs ? observed.Budget : null };
        if (!observed.BudgetsServed)
        {
            return Impossible(
                Reasons.NoDisruptionBudget, "the API server does not serve policy/v1: without a PodDisruptionBudget, draining nodes may stop several replicas at once");
        }
        if (observed.Budget is not null && !isOurs)
            return Impossible(Reasons.NameTaken, $"a PodDisruptionBudget {Name(observed.Model)} that is not this model's exists: delete it, or rename the model");
        V1PodDisruptionBudget wanted = JsonSubset.Stamp(Budget(observed));
        return BudgetPlan.Nothing with { Apply = JsonSubset.Holds(wanted, observed.Budget) ? null : wanted };
    }

    private static BudgetPlan Impossible(string reason, string message) => BudgetPlan.Nothing with { Possible = Check.Fail(reason, message) };

    private static V1PodDisruptionBudget Budget(ModelObservation observed) => new()
    {
        ApiVersion = "policy/v1",
        Kind = "PodDisruptionBudget",
        Metadata = OwnedMetadata.For(observed.Model, Name(observed.Model), "worker"),
        Spec = new V1PodDisruptionBudgetSpec
        {
            MaxUnavailable = 1,
            UnhealthyPodEvictionPolicy = observed.EvictsUnready ? "AlwaysAllow" : null,
            Selector = new V1LabelSelector { MatchLabels = OwnedMetadata.SelectorOf(observed.Model) },
        },
    };
}
