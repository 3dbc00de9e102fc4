using System.Globalization;
using System.Text;
using System.Text.Json;
using AiFabric.Crds.Pipelines;

namespace AiFabric.Benchmarks.Pipelines;

/// <summary>Latencies of one way to run the graph under one load, seconds.</summary>
internal sealed record Latencies(double P50, double P95, double P99, double FirstTokenP50)
{
    public static Latencies Of(IReadOnlyList<Served> served)
    {
        double[] ends = [.. served.Select(request => request.End).Order()];
        double[] firsts = [.. served.Select(request => request.FirstToken).Order()];
        return new Latencies(At(ends, 0.50), At(ends, 0.95), At(ends, 0.99), At(firsts, 0.50));
    }

    private static double At(double[] sorted, double share) => sorted[(int)Math.Ceiling(share * sorted.Length) - 1];
}

/// <summary>Both ways under one load.</summary>
internal sealed record LoadPoint(double RequestsPerSecond, Latencies Streaming, Latencies Barrier);

/// <summary>One row of <c>artifacts/bench/pipeline.json</c>.</summary>
/// <param name="Case">Where the stages ran.</param>
/// <param name="ThroughputRatio">Highest load that meets the target: streaming's over barriers'.</param>
/// <param name="P99Ratio">Barriers' p99 over streaming's, under the highest load at which barriers meet the target.</param>
/// <param name="TargetSeconds">The median must not be longer.</param>
/// <param name="Loads">All that was measured.</param>
internal sealed record PipelineRow(string Case, double ThroughputRatio, double P99Ratio, double TargetSeconds, IReadOnlyList<LoadPoint> Loads);

/// <summary>Sweeps the load over the emulated servers, streaming and with barriers.</summary>
internal static class PipelineBench
{
    private static readonly JsonSerializerOptions Format = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public static PipelineRow Emulated(double target, double step, double most, int requests, int seed, Action<string> say)
    {
        var loads = new List<LoadPoint>();
        for (int i = 1; i * step <= most; i++)
        {
            var point = new LoadPoint(
                i * step, Latencies.Of(EmulatedCluster.Run(PipelineExecution.Streaming, i * step, requests, seed)),
                Latencies.Of(EmulatedCluster.Run(PipelineExecution.Barrier, i * step, requests, seed)));
            loads.Add(point);
            say(Line(point));
        }
        return Row("emulated", target, loads);
    }

    /// <exception cref="BenchException">Barriers meet the target under no load, so that there is nothing to compare with.</exception>
    public static PipelineRow Row(string name, double target, IReadOnlyList<LoadPoint> loads)
    {
        LoadPoint? streaming = loads.TakeWhile(point => point.Streaming.P50 <= target).LastOrDefault();
        LoadPoint? barrier = loads.TakeWhile(point => point.Barrier.P50 <= target).LastOrDefault();
        return streaming is null || barrier is null
            ? throw new BenchException($"a median of {target} s is met under no load: raise --target-seconds")
            : new PipelineRow(name, streaming.RequestsPerSecond / barrier.RequestsPerSecond, barrier.Barrier.P99 / barrier.Streaming.P99, target, loads);
    }

    public static string Json(IReadOnlyList<PipelineRow> rows) => JsonSerializer.Serialize(rows, Format) + "\n";

    public static string Markdown(PipelineRow row)
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{row.Case}: throughput at a median of {row.TargetSeconds} s × {row.ThroughputRatio:0.00}, p99 ÷ {row.P99Ratio:0.00}").AppendLine();
        text.AppendLine("| req/s | streaming p50 / p95 / p99, s | barrier p50 / p95 / p99, s | first token p50: streaming, barrier, s |").AppendLine("|---:|---:|---:|---:|");
        foreach (LoadPoint point in row.Loads)
            text.AppendLine(Line(point));
        return text.ToString();
    }

    private static string Line(LoadPoint point) => string.Create(
        CultureInfo.InvariantCulture,
        $"| {point.RequestsPerSecond:0.00} | {Three(point.Streaming)} | {Three(point.Barrier)} | {point.Streaming.FirstTokenP50:0.00}, {point.Barrier.FirstTokenP50:0.00} |");

    private static string Three(Latencies latencies) =>
        string.Create(CultureInfo.InvariantCulture, $"{latencies.P50:0.00} / {latencies.P95:0.00} / {latencies.P99:0.00}");
}
