using k8s.Models;

namespace AiFabric.Operator.Conditions;

/// <summary>
/// Builds a status' conditions: <c>lastTransitionTime</c> moves only when the status flips, and the order stays as it was, so that an
/// unchanged world gives an unchanged list.
/// </summary>
/// <param name="previous">The conditions as they stand on the object.</param>
/// <param name="generation">The generation that was observed.</param>
/// <param name="now">The time of transitions found now.</param>
internal sealed class ConditionSet(IEnumerable<V1Condition>? previous, long? generation, DateTimeOffset now)
{
    private readonly List<V1Condition> _conditions = [.. (previous ?? []).Select(Copy)];

    public V1Condition? this[string type] => _conditions.Find(condition => condition.Type == type);

    public bool IsTrue(string type) => this[type]?.Status == ConditionStatus.True;

    /// <summary>True with this reason, or False with the first failing check's.</summary>
    public void Set(string type, Check? failure, string trueReason, string trueMessage)
    {
        if (failure is { } failed)
            Set(type, ConditionStatus.False, failed.Reason, failed.Message);
        else
            Set(type, ConditionStatus.True, trueReason, trueMessage);
    }

    public void Set(string type, string status, string reason, string message)
    {
        int at = _conditions.FindIndex(condition => condition.Type == type);
        V1Condition? old = at < 0 ? null : _conditions[at];
        var condition = new V1Condition
        {
            Type = type,
            Status = status,
            Reason = reason,
            Message = message,
            ObservedGeneration = generation,
            // The API keeps whole seconds; more would differ from what is read back.
            LastTransitionTime = old?.Status == status ? old.LastTransitionTime : WholeSeconds(now),
        };
        if (at < 0)
            _conditions.Add(condition);
        else
            _conditions[at] = condition;
    }

    /// <summary>All stay as they were, which is true of this generation too.</summary>
    public void SeeAgain() => _conditions.ForEach(condition => condition.ObservedGeneration = generation);

    /// <summary>Takes out a condition that says nothing about the object any more.</summary>
    public void Remove(string type) => _conditions.RemoveAll(condition => condition.Type == type);

    public IList<V1Condition> ToList() => _conditions;

    public static DateTime WholeSeconds(DateTimeOffset time) =>
        DateTimeOffset.FromUnixTimeSeconds(time.ToUnixTimeSeconds()).UtcDateTime;

    private static V1Condition Copy(V1Condition condition) => new()
    {
        Type = condition.Type,
        Status = condition.Status,
        Reason = condition.Reason,
        Message = condition.Message,
        ObservedGeneration = condition.ObservedGeneration,
        LastTransitionTime = condition.LastTransitionTime,
    };
}
