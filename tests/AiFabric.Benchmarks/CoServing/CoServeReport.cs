using System.Globalization;
using System.Text;
using System.Text.Json;
using AiFabric.Benchmarks.Machine;

namespace AiFabric.Benchmarks.CoServing;

/// <summary>All that was measured.</summary>
internal sealed record CoServeReport
{
    private static readonly JsonSerializerOptions Format = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public required MachineInfo Machine { get; init; }

    /// <summary>Model, format, device, threads, seconds of a run.</summary>
    public required string Options { get; init; }

    public required Capacity Capacity { get; init; }

    public required double TtftObjectiveMs { get; init; }

    public required IReadOnlyList<CoServeRow> Rows { get; init; }

    public BurstFigures? Burst { get; init; }

    public static string Describe(CoServeOptions options) => string.Create(
        CultureInfo.InvariantCulture, $"{options.Model} in {options.Format} on {options.Device}, {options.Threads} threads, {options.Seconds:0} s a run{(options.Rounds > 1 ? $", medians of {options.Rounds}" : "")}");

    /// <exception cref="BenchException">The file is not of this bench.</exception>
    public static CoServeReport Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<CoServeReport>(File.ReadAllText(path), Format) ?? throw new JsonException("it holds nothing");
        }
        catch (JsonException e)
        {
            throw new BenchException($"{path} cannot be added to: {e.Message}");
        }
    }

    public string ToJson() => JsonSerializer.Serialize(this, Format) + "\n";

    public static string Line(CoServeRow row) => string.Create(
        CultureInfo.InvariantCulture,
        $"{row.Load} {row.System}: {row.FinetuneTokensPerSecond:0} tok/s finetuned, {row.WithinObjective:P1} of {row.Requests} requests within the objectives, TTFT p99 {row.TtftP99Ms:0} ms, TPOT p99 {row.TpotP99Ms:0} ms");

    public string Markdown()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Machine.Processor}, {Machine.Cores} cores; load before the start {Machine.LoadBefore}; {Options}.");
        text.AppendLine(CultureInfo.InvariantCulture,
            $"Alone a request gets a token in {Capacity.UnloadedTpotMs:0.0} ms; objectives: TPOT {Capacity.TpotObjectiveMs:0.0} ms, TTFT {TtftObjectiveMs:0} ms; inference alone sustains {Capacity.RequestsPerSecond:0.00} requests/s.");
        text.AppendLine().AppendLine("| load | system | finetuned, tok/s | within | TTFT p50 / p95 / p99, ms | TPOT p50 / p95 / p99, ms | of light | runs |").AppendLine("|---|---|---:|---:|---:|---:|---:|---|");
        foreach (var row in Rows)
        {
            string missed = row.Meets ? "" : " (missed)";
            text.AppendLine(CultureInfo.InvariantCulture,
                $"| {row.Load} | {row.System} | {row.FinetuneTokensPerSecond:0} | {row.WithinObjective:P1}{missed} | {row.TtftP50Ms:0} / {row.TtftP95Ms:0} / {row.TtftP99Ms:0} | {row.TpotP50Ms:0} / {row.TpotP95Ms:0} / {row.TpotP99Ms:0} | {row.Retained:P0} | {Rounds(row)} |");
        }
        text.AppendLine();
        foreach (string claim in Claims())
            text.AppendLine(claim);
        return text.ToString();
    }

    private static string Rounds(CoServeRow row) => string.Join(
        ", ", row.Rounds.Select(round => string.Create(CultureInfo.InvariantCulture, $"{round.FinetuneTokensPerSecond:0} at {round.WithinObjective:P0}")));

    private IEnumerable<string> Claims()
    {
        foreach (var load in Rows.GroupBy(row => row.Load))
        {
            if (load.FirstOrDefault(row => row.System == CoServeSystem.CoServing) is not { } ours)
                continue;
            var meeting = load.Where(row => row.Meets && row.System is not (CoServeSystem.CoServing or CoServeSystem.FinetuneOnly or CoServeSystem.InferenceOnly)).ToList();
            string best = meeting.MaxBy(row => row.FinetuneTokensPerSecond) is { } other
                ? string.Create(CultureInfo.InvariantCulture, $"{ours.FinetuneTokensPerSecond / other.FinetuneTokensPerSecond:0.00} times the best that meets them, {other.System}")
                : "none of the others meets them";
            string split = load.FirstOrDefault(row => row.System == "split25") is { FinetuneTokensPerSecond: > 0 } quarter
                ? string.Create(CultureInfo.InvariantCulture, $"; {ours.FinetuneTokensPerSecond / quarter.FinetuneTokensPerSecond:0.0} times split25") : "";
            yield return $"- {load.Key}: co-serving {(ours.Meets ? "meets" : "misses")} the objectives; {best}{split}.";
        }
        if (Burst is not null)
            yield return $"- {Burst}.";
    }
}
