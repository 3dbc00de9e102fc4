using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Operator.Conditions;

/// <summary>Something about an object that became so.</summary>
internal sealed record Transition(EventType Type, string Reason, string Message);

/// <summary>Tells which conditions changed in a way that people want to hear of.</summary>
internal static class Transitions
{
    /// <summary>
    /// What asks for attention, and of the rest the one thing that matters most. Every warning is told once, however many conditions carry its
    /// reason. Of the conditions that flipped only the first is told, one that became true before one that ceased to be: the status has them
    /// all, and an event costs the cluster as much as a status does. A new condition that is not true says nothing.
    /// </summary>
    /// <param name="before">The conditions as they were; null for none.</param>
    /// <param name="after">The conditions as they are.</param>
    /// <param name="failureTypes">Condition types whose True is bad news, whatever the reason.</param>
    public static IReadOnlyList<Transition> Between(
        IEnumerable<V1Condition>? before, IEnumerable<V1Condition>? after, params string[] failureTypes)
    {
        Dictionary<string, V1Condition> known = (before ?? []).ToDictionary(condition => condition.Type);
        var warnings = new List<Transition>();
        Transition? good = null;
        bool isGoodTrue = false;
        foreach (V1Condition condition in after ?? [])
        {
            known.TryGetValue(condition.Type, out V1Condition? old);
            if (old is not null && old.Status == condition.Status && old.Reason == condition.Reason)
                continue;
            bool isTrue = condition.Status == ConditionStatus.True;
            var transition = new Transition(EventType.Normal, condition.Reason, condition.Message);
            if ((isTrue && failureTypes.Contains(condition.Type)) || (!isTrue && Reasons.IsWarning(condition.Reason)))
                warnings.Add(transition with { Type = EventType.Warning });
            else if (old?.Status != condition.Status && (isTrue || old is not null) && (good is null || (isTrue && !isGoodTrue)))
                (good, isGoodTrue) = (transition, isTrue);
        }
        IEnumerable<Transition> told = warnings.DistinctBy(warning => warning.Reason);
        return good is null || warnings.Exists(warning => warning.Reason == good.Reason) ? [.. told] : [good, .. told];
    }
}
