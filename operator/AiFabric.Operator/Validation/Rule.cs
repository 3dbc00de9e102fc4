using System.Text.Json.Nodes;
using AiFabric.Operator.Objects;
using k8s;

namespace AiFabric.Operator.Validation;

/// <summary>A field that breaks a rule.</summary>
/// <param name="Field">Path from the object's root.</param>
/// <param name="Message">What is wrong and how to put it right.</param>
internal sealed record Violation(string Field, string Message)
{
    public override string ToString() => $"{Field}: {Message}";
}

/// <summary>One rule for objects of a kind.</summary>
/// <param name="Field">Path of the field that the rule is about.</param>
/// <param name="Broken">What is wrong with an object; null when nothing is. Pure.</param>
/// <param name="CelMessage">Message of the CEL rule in the schema that this one mirrors; null when there is none.</param>
internal sealed record Rule<T>(string Field, Func<T, string?> Broken, string? CelMessage = null);

/// <summary>A field that must not change after it was first seen; mirrors the CEL rule <c>self == oldSelf</c>.</summary>
/// <param name="Field">Path of the field.</param>
/// <param name="Value">Its value, null when absent.</param>
internal sealed record ImmutableField<T>(string Field, Func<T, object?> Value)
{
    public string CelMessage => $"{Field["spec.".Length..]} is immutable";

    /// <summary>What to say of an object whose field changed.</summary>
    public Violation Changed => new(Field, $"{CelMessage}: put the old value back, or make a new object");

    /// <summary>Equal values have equal hashes.</summary>
    public string HashOf(T entity) =>
        CanonicalJson.Hash(Value(entity) is { } value ? JsonNode.Parse(KubernetesJson.Serialize(value)) : null);
}

/// <summary>The rules of one kind: the one table that the operator and its tests go by.</summary>
internal sealed record RuleSet<T>(IReadOnlyList<Rule<T>> Rules, IReadOnlyList<ImmutableField<T>> Immutable)
{
    /// <summary>All that is wrong with <paramref name="entity"/>, in the table's order.</summary>
    public IReadOnlyList<Violation> Check(T entity)
    {
        var violations = new List<Violation>();
        foreach (Rule<T> rule in Rules)
        {
            if (rule.Broken(entity) is { } message)
                violations.Add(new Violation(rule.Field, message));
        }
        return violations;
    }

    /// <summary>The immutable fields in which <paramref name="now"/> differs from <paramref name="old"/>.</summary>
    public IReadOnlyList<Violation> CheckChange(T old, T now) =>
        [.. Immutable.Where(field => field.HashOf(old) != field.HashOf(now)).Select(field => field.Changed)];
}
