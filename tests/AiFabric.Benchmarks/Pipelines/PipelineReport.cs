using System.Globalization;
using System.Text;
using System.Text.Json;

namespace AiFabric.Benchmarks.Pipelines;

/// <summary>Writes figures down.</summary>
internal static class PipelineReport
{
    private static readonly JsonSerializerOptions Format = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>The rows of <c>artifacts/bench/pipeline.json</c>.</summary>
    public static string Json(IReadOnlyList<PipelineRow> rows) => JsonSerializer.Serialize(rows, Format) + "\n";

    public static string Markdown(PipelineRow row)
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{row.Case}: throughput at a median of {row.TargetSeconds:0.00} s × {Ratio(row.ThroughputRatio)}, p99 ÷ {row.P99Ratio:0.00}").AppendLine();
        text.AppendLine("| req/s | streaming p50 / p95 / p99, s | barrier p50 / p95 / p99, s | first token p50: streaming, barrier, s |").AppendLine("|---:|---:|---:|---:|");
        foreach (LoadPoint point in row.Loads)
            text.AppendLine(Line(point));
        text.AppendLine().AppendLine("| target, s | streaming, req/s | barrier, req/s | ratio |").AppendLine("|---:|---:|---:|---:|");
        foreach (TargetPoint point in row.Targets)
            text.AppendLine(CultureInfo.InvariantCulture, $"| {point.Seconds:0.00} | {point.Streaming:0.00} | {point.Barrier:0.00} | {Ratio(point.Ratio)} |");
        return text.ToString();
    }

    public static string Line(LoadPoint point)
    {
        string line = string.Create(
            CultureInfo.InvariantCulture,
            $"| {point.RequestsPerSecond:0.00} | {Three(point.Streaming)} | {Three(point.Barrier)} | {point.Streaming.FirstTokenP50:0.00}, {point.Barrier.FirstTokenP50:0.00} |");
        return point is { ByAge: { } byAge, ByCall: { } byCall } ? $"{line} {Three(byAge)} | {Three(byCall)} |" : line;
    }

    private static string Ratio(double? ratio) => ratio is { } known ? known.ToString("0.00", CultureInfo.InvariantCulture) : "none";

    private static string Three(Latencies latencies) =>
        string.Create(CultureInfo.InvariantCulture, $"{latencies.P50:0.00} / {latencies.P95:0.00} / {latencies.P99:0.00}");
}
