using System.Net;

namespace AiFabric.Operator.Workers;

/// <summary>How a worker answered.</summary>
internal enum WorkerOutcome
{
    Ok,

    /// <summary>It knows no such session or adapter (404).</summary>
    NotFound,

    /// <summary>It refuses: another try with the same body will not help (4xx).</summary>
    Rejected,

    /// <summary>No answer, a wrong token or an error of its own: another try may help.</summary>
    Unreachable,
}

/// <summary>A worker's answer, or what stood in its way.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Value">The body; null unless Ok.</param>
/// <param name="Reason">CamelCase reason of a refusal, as the worker gave it; null otherwise.</param>
/// <param name="Message">What went wrong, one line; null when Ok.</param>
/// <param name="Status">The HTTP status; null without an answer.</param>
internal sealed record WorkerReply<T>(
    WorkerOutcome Outcome, T? Value = null, string? Reason = null, string? Message = null, HttpStatusCode? Status = null)
    where T : class
{
    public bool IsOk => Outcome == WorkerOutcome.Ok;
}

/// <summary>An answer without a body.</summary>
internal sealed record Nothing
{
    public static Nothing Instance { get; } = new();
}
