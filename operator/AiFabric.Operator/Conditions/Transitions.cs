using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Operator.Conditions;

/// <summary>Something about an object that became so.</summary>
internal sealed record Transition(EventType Type, string Reason, string Message);

/// <summary>Tells which conditions changed in a way that people want to hear of.</summary>
internal static class Transitions
{
    /// <summary>
    /// One entry for each condition whose status or reason changed. A new condition that says nothing (False or Unknown, no warning) is
    /// left out, and one reason is told once, however many conditions carry it.
    /// </summary>
    /// <param name="before">The conditions as they were; null for none.</param>
    /// <param name="after">The conditions as they are.</param>
    /// <param name="failureTypes">Condition types whose True is bad news, whatever the reason.</param>
    public static IReadOnlyList<Transition> Between(
        IEnumerable<V1Condition>? before, IEnumerable<V1Condition>? after, params string[] failureTypes)
    {
        Dictionary<string, V1Condition> known = (before ?? []).ToDictionary(condition => condition.Type);
        var told = new List<Transition>();
        foreach (V1Condition condition in after ?? [])
        {
            known.TryGetValue(condition.Type, out V1Condition? old);
            if (old is not null && old.Status == condition.Status && old.Reason == condition.Reason)
                continue;
            bool isTrue = condition.Status == ConditionStatus.True;
            bool isWarning = (isTrue && failureTypes.Contains(condition.Type)) || (!isTrue && Reasons.IsWarning(condition.Reason));
            if (old is null && !isTrue && !isWarning)
                continue;
            var transition = new Transition(isWarning ? EventType.Warning : EventType.Normal, condition.Reason, condition.Message);
            int same = told.FindIndex(other => other.Reason == transition.Reason);
            if (same < 0)
                told.Add(transition);
            else if (isWarning)
                told[same] = transition; // Running is False because of it, but Failed says that it is bad.
        }
        return told;
    }
}
