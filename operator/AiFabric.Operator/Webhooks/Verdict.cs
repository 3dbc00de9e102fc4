using AiFabric.Operator.Validation;

namespace AiFabric.Operator.Webhooks;

/// <summary>What a review came to.</summary>
/// <param name="Refusals">Why the object is refused; none when it is let in.</param>
/// <param name="Warnings">What the author should know all the same.</param>
internal sealed record Verdict(IReadOnlyList<Violation> Refusals, IReadOnlyList<Violation> Warnings)
{
    /// <summary>HTTP's and Kubernetes' words for an object that fails validation.</summary>
    private const int Unprocessable = 422;

    public static Verdict Pass { get; } = new([], []);

    public AdmissionResponse ToResponse(string uid) => new()
    {
        Uid = uid,
        Allowed = Refusals.Count == 0,
        Status = Refusals.Count == 0 ? null : new AdmissionStatus(Unprocessable, "Invalid", string.Join("; ", Refusals)),
        Warnings = Warnings.Count == 0 ? null : [.. Warnings.Select(warning => warning.ToString())],
    };
}
