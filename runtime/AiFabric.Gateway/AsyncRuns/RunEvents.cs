using System.Globalization;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.AsyncRuns;

/// <summary>The life-cycle events of a run, made of what is kept of it: the same again whenever they are asked for. Pure.</summary>
internal static class RunEvents
{
    private const string Prefix = "io.aifabric.pipeline.run.";

    /// <summary>The event of an entry.</summary>
    public static PipelineRunEvent Of(RunRecord run, int index, RunEntry entry) => Make(
        run, index, entry.Stage is null ? "started" : "stage_finished", entry.At, new PipelineRunEventData
        {
            Tenant = TenantOf(run),
            Status = RunView.Name(RunStatus.InProgress),
            Attempt = entry.Attempt,
            Stage = entry.Stage,
            Item = entry.Item,
            Characters = entry.Stage is null ? null : entry.Characters,
        });

    /// <summary>The last event of a run that has ended.</summary>
    public static PipelineRunEvent End(RunRecord run)
    {
        string status = RunView.Name(run.Status);
        return Make(run, run.Entries, status, (run.EndedAt ?? 0) * 1_000, new PipelineRunEventData
        {
            Tenant = TenantOf(run),
            Status = status,
            Attempt = run.Attempts,
            Usage = run.Usage,
            Error = run.Error,
        });
    }

    private static PipelineRunEvent Make(RunRecord run, int index, string type, long at, PipelineRunEventData data) => new()
    {
        Id = string.Create(CultureInfo.InvariantCulture, $"{run.Id}/{index}"),
        Source = $"/aifabric/pipelines/{run.Namespace}/{run.Pipeline}",
        Type = Prefix + type,
        Subject = run.Id,
        Time = DateTimeOffset.FromUnixTimeMilliseconds(at).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture),
        Data = data,
    };

    private static string? TenantOf(RunRecord run) => run.Tenant.Length > 0 ? run.Tenant : null;
}
