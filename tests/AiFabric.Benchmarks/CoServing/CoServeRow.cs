using AiFabric.Benchmarks.Speed;

namespace AiFabric.Benchmarks.CoServing;

/// <summary>One run of several.</summary>
internal sealed record CoServeRound(double FinetuneTokensPerSecond, double WithinObjective);

/// <summary>One system under one load: a run, or each figure's median of several.</summary>
internal sealed record CoServeRow
{
    /// <summary>Share of requests that must keep the objectives for a system to count as meeting them.</summary>
    public const double Enough = 0.9;

    public required string Load { get; init; }

    public required string System { get; init; }

    /// <summary>Tokens trained: a forward token counts a third, a backward token two thirds.</summary>
    public required double FinetuneTokensPerSecond { get; init; }

    /// <summary>Share of requests within both objectives; 1 where no requests come.</summary>
    public required double WithinObjective { get; init; }

    public double WithinTtft { get; init; }

    public double WithinTpot { get; init; }

    public double TtftP50Ms { get; init; }

    public double TtftP95Ms { get; init; }

    public required double TtftP99Ms { get; init; }

    public double TpotP50Ms { get; init; }

    public double TpotP95Ms { get; init; }

    public required double TpotP99Ms { get; init; }

    /// <summary>Finetuning by the light load's, of the same system.</summary>
    public double? Retained { get; init; }

    public int Requests { get; init; }

    /// <summary>Share of iterations whose one pass carried both.</summary>
    public double SharedIterations { get; init; }

    /// <summary>Milliseconds of an iteration in which somebody decodes, the mean.</summary>
    public double IterationMs { get; init; }

    /// <summary>The same by plan, before the margin.</summary>
    public double ExpectedIterationMs { get; init; }

    /// <summary>The runs of which this is the median, in their order.</summary>
    public IReadOnlyList<CoServeRound> Rounds { get; init; } = [];

    /// <summary>Whether enough requests keep the objectives.</summary>
    public bool Meets => WithinObjective >= Enough;

    public static CoServeRow Of(string load, string system, double finetuneTokensPerSecond, IReadOnlyList<RequestFigures> requests, Capacity capacity, double ttftMilliseconds)
    {
        double[] ttfts = [.. requests.Select(request => request.TtftMs).Order()];
        double[] tpots = [.. requests.Where(request => request.TpotMs is not null).Select(request => request.TpotMs!.Value).Order()]; // Filtered.
        return new CoServeRow
        {
            Load = load,
            System = system,
            FinetuneTokensPerSecond = finetuneTokensPerSecond,
            WithinObjective = Within(requests, capacity.TpotObjectiveMs, ttftMilliseconds),
            WithinTtft = Within(requests, double.PositiveInfinity, ttftMilliseconds),
            WithinTpot = Within(requests, capacity.TpotObjectiveMs, double.PositiveInfinity),
            TtftP50Ms = Quantile(ttfts, 0.5),
            TtftP95Ms = Quantile(ttfts, 0.95),
            TtftP99Ms = Quantile(ttfts, 0.99),
            TpotP50Ms = Quantile(tpots, 0.5),
            TpotP95Ms = Quantile(tpots, 0.95),
            TpotP99Ms = Quantile(tpots, 0.99),
            Requests = requests.Count,
        };
    }

    public static CoServeRow Median(IReadOnlyList<CoServeRow> runs)
    {
        return runs[0] with
        {
            FinetuneTokensPerSecond = Of(run => run.FinetuneTokensPerSecond),
            WithinObjective = Of(run => run.WithinObjective),
            WithinTtft = Of(run => run.WithinTtft),
            WithinTpot = Of(run => run.WithinTpot),
            TtftP50Ms = Of(run => run.TtftP50Ms),
            TtftP95Ms = Of(run => run.TtftP95Ms),
            TtftP99Ms = Of(run => run.TtftP99Ms),
            TpotP50Ms = Of(run => run.TpotP50Ms),
            TpotP95Ms = Of(run => run.TpotP95Ms),
            TpotP99Ms = Of(run => run.TpotP99Ms),
            SharedIterations = Of(run => run.SharedIterations),
            IterationMs = Of(run => run.IterationMs),
            ExpectedIterationMs = Of(run => run.ExpectedIterationMs),
            Rounds = [.. runs.Select(run => new CoServeRound(run.FinetuneTokensPerSecond, run.WithinObjective))],
        };

        double Of(Func<CoServeRow, double> figure) => Rates.Median([.. runs.Select(figure)]);
    }

    public static double Within(IReadOnlyCollection<RequestFigures> requests, double tpot, double ttft) =>
        requests.Count == 0 ? 1 : requests.Count(request => request.TtftMs <= ttft && !(request.TpotMs > tpot)) / (double)requests.Count;

    private static double Quantile(double[] sorted, double quantile) =>
        sorted.Length == 0 ? 0 : sorted[Math.Min(sorted.Length - 1, (int)Math.Ceiling(quantile * sorted.Length) - 1)];
}
