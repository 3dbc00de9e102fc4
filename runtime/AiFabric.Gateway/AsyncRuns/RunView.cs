using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.AsyncRuns;

/// <summary>Runs as their clients see them. Pure.</summary>
internal static class RunView
{
    /// <summary>A status in a client's words.</summary>
    public static string Name(RunStatus status) => status switch
    {
        RunStatus.Queued => "queued",
        RunStatus.InProgress => "in_progress",
        RunStatus.Completed => "completed",
        RunStatus.Failed => "failed",
        RunStatus.Cancelled => "cancelled",
        _ => "expired",
    };

    /// <param name="run">The run.</param>
    /// <param name="now">Unix milliseconds.</param>
    /// <param name="output">Its answer; null in lists.</param>
    public static PipelineRunObject Show(RunRecord run, long now, string? output = null) => new()
    {
        Id = run.Id,
        CreatedAt = run.CreatedAt,
        Pipeline = $"{run.Namespace}/{run.Pipeline}",
        // Nobody works on a run whose gateway is lost: it waits for another.
        Status = Name(run.HasEnded || run.IsLeased(now) ? run.Status : RunStatus.Queued),
        StartedAt = run.StartedAt,
        EndedAt = run.EndedAt,
        DeadlineAt = run.DeadlineAt,
        ExpiresAt = run.ExpiresAt,
        Attempts = run.Attempts,
        Output = output,
        PartialStages = run.PartialStages,
        Usage = run.Usage,
        Error = run.Error,
        Metadata = run.Metadata,
    };
}
