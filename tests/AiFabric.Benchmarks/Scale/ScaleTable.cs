using System.Globalization;
using System.Text;

namespace AiFabric.Benchmarks.Scale;

/// <summary>A report as tables in Markdown.</summary>
internal static class ScaleTable
{
    public static string Markdown(ScaleReport report)
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{report.Machine.Processor}, {report.Machine.Cores} cores, {report.Machine.MemoryBytes >> 30} GiB; load before the start {report.Machine.LoadBefore}; {report.Started:yyyy-MM-dd}; {report.TotalSeconds:0} s in all").AppendLine();
        Figures(text, report);
        Requests(text, report);
        Latencies(text, report);
        if (report.Growth.Count > 0)
        {
            text.AppendLine().AppendLine("| growth from the smallest size to the largest | exponent |").AppendLine("|---|---:|");
            foreach (Growth growth in report.Growth)
                text.AppendLine(CultureInfo.InvariantCulture, $"| {growth.Figure} | {growth.Exponent:0.00} |");
        }
        return text.ToString();
    }

    private static void Figures(StringBuilder text, ScaleReport report)
    {
        Head(text, "models and jobs", [.. report.Sizes.Select(size => $"{size.Size.Models} + {size.Size.Jobs}")]);
        (string Name, Func<SizeFigures, string> Value)[] rows =
        [
            ("all created, s", size => Seconds(size.Rollout.CreatedSeconds)),
            ("all models Ready, s", size => Seconds(size.Rollout.ModelsReadySeconds)),
            ("all jobs Complete, s", size => Seconds(size.Rollout.JobsCompleteSeconds)),
            ("all adapters Ready, s", size => Seconds(size.Rollout.AdaptersReadySeconds)),
            ("conditions lost again", size => Number(size.Rollout.Lost)),
            ("operator: CPU until then, s", size => Seconds(size.Rollout.OperatorCpuSeconds)),
            ("operator: peak memory, MiB", size => Number(size.Rollout.OperatorPeakBytes >> 20)),
            ("operator: API requests", size => Number(size.Rollout.Requests.Sum(request => request.Count))),
            ("operator: requests to workers", size => Number(size.Rollout.WorkerRequests)),
            ("control plane: CPU, s", size => string.Join(", ", size.Rollout.ControlPlaneCpuSeconds.Select(part => $"{part.Key} {Seconds(part.Value)}"))),
            ("idle: writes per minute", size => Number(size.Steady.Writes * 60 / size.Steady.Seconds)),
            ("idle: reads per minute", size => Number(size.Steady.Reads * 60 / size.Steady.Seconds)),
            ("idle: requests to workers per second", size => Seconds(size.Steady.WorkerRequests / size.Steady.Seconds)),
            ("idle: operator's CPU, cores", size => (size.Steady.OperatorCpuSeconds / size.Steady.Seconds).ToString("0.00", CultureInfo.InvariantCulture)),
            ("idle: operator's memory, MiB", size => Number(size.Steady.OperatorResidentBytes >> 20)),
            ("restart: caches filled, s", size => Seconds(size.Restart.ReadySeconds ?? 0)),
            ("restart: every object looked at, s", size => Seconds(size.Restart.CaughtUpSeconds)),
            ("restart: writes", size => Number(size.Restart.Writes)),
            ("leader killed: next leads, s", size => Seconds(size.Crash.LeadsSeconds)),
            ("leader killed: every object looked at, s", size => Seconds(size.Crash.CaughtUpSeconds)),
            ("leader asked to stop: next leads, s", size => Seconds(size.Handover.LeadsSeconds)),
            ("writes after either", size => Number(size.Crash.Writes + size.Handover.Writes)),
        ];
        foreach ((string name, Func<SizeFigures, string> value) in rows)
            Row(text, name, [.. report.Sizes.Select(value)]);
    }

    private static void Requests(StringBuilder text, ScaleReport report)
    {
        text.AppendLine();
        Head(text, "operator's API requests until all was ready", [.. report.Sizes.Select(size => Number(size.Size.Models))]);
        foreach ((string resource, string verb) in report.Sizes.SelectMany(size => size.Rollout.Requests).Select(request => (request.Resource, request.Verb)).Distinct())
        {
            Row(
                text, $"{verb} {resource}",
                [.. report.Sizes.Select(size => Number(size.Rollout.Requests.FirstOrDefault(request => request.Resource == resource && request.Verb == verb)?.Count ?? 0))]);
        }
    }

    private static void Latencies(StringBuilder text, ScaleReport report)
    {
        text.AppendLine();
        Head(text, "reconciliation p50 / p99, ms (wait in the queue p50 / p99, s)", [.. report.Sizes.Select(size => Number(size.Size.Models))]);
        foreach (string controller in report.Sizes[0].Rollout.Latencies.Select(latency => latency.Controller))
        {
            Row(text, controller, [.. report.Sizes.Select(size => size.Rollout.Latencies.First(latency => latency.Controller == controller)).Select(latency =>
                $"{Milliseconds(latency.P50)} / {Milliseconds(latency.P99)} ({Seconds(latency.QueueP50 ?? 0)} / {Seconds(latency.QueueP99 ?? 0)})")]);
        }
    }

    private static void Head(StringBuilder text, string first, string[] columns)
    {
        Row(text, first, columns);
        text.Append("|---|").AppendJoin(string.Empty, columns.Select(_ => "---:|")).AppendLine();
    }

    private static void Row(StringBuilder text, string first, string[] cells) => text.Append("| ").Append(first).Append(" | ").AppendJoin(" | ", cells).AppendLine(" |");

    private static string Seconds(double value) => value.ToString("0.0", CultureInfo.InvariantCulture);

    private static string Milliseconds(double? value) => value is { } seconds ? (seconds * 1_000).ToString("0.0", CultureInfo.InvariantCulture) : "-";

    private static string Number(double value) => value.ToString("0", CultureInfo.InvariantCulture);
}
