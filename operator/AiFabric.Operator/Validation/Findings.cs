namespace AiFabric.Operator.Validation;

/// <summary>What a look at other objects of the namespace says of an object.</summary>
/// <param name="Refusals">What can never work.</param>
/// <param name="Warnings">What does not work yet: a missing referent may come later, so it is told, not refused.</param>
internal sealed record Findings(IReadOnlyList<Violation> Refusals, IReadOnlyList<Violation> Warnings)
{
    public static Findings None { get; } = new([], []);
}
