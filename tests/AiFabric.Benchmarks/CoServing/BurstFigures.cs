using System.Globalization;

namespace AiFabric.Benchmarks.CoServing;

/// <summary>One second or less of the burst's run.</summary>
/// <param name="At">Its middle, in seconds since the start.</param>
/// <param name="Running">Requests that run.</param>
/// <param name="FinetuneTokensPerSecond">Trained in it.</param>
/// <param name="ArrivalsPerSecond">Requests that came.</param>
internal sealed record BurstMoment(double At, double Running, double FinetuneTokensPerSecond, double ArrivalsPerSecond);

/// <summary>A load that jumps from 10 % to 100 % for the middle third of a run.</summary>
internal sealed record BurstFigures
{
    private const double Bin = 0.5;

    public required double BurstStart { get; init; }

    public required double BurstEnd { get; init; }

    /// <summary>When, after the last arrival of the burst, no more requests run than the mean before it, rounded up: a long answer may outlast it by far.</summary>
    public required double Drained { get; init; }

    /// <summary>Share of requests that miss the TPOT objective.</summary>
    public required double MissedTpot { get; init; }

    public required double WithinObjective { get; init; }

    public required double FinetuneBefore { get; init; }

    public required double FinetuneDuring { get; init; }

    /// <summary>In the second after <see cref="Drained"/>.</summary>
    public required double FinetuneAfter { get; init; }

    /// <summary>
    /// Iterations in a row that carried finetuning and took longer than the TPOT objective, by more than 15 %, while somebody decoded: so many until finetuning
    /// had yielded, at most, as long as the burst's requests came.
    /// </summary>
    public required int LongestOverrun { get; init; }

    /// <summary>Seconds after <see cref="Drained"/> until finetuning is as fast as before the burst, over half a second; null when it never was.</summary>
    public required double? TakenBackAfter { get; init; }

    public required IReadOnlyList<BurstMoment> Moments { get; init; }

    public static BurstFigures Of(EnginePlan plan, EngineFigures figures, Capacity capacity, double ttftMilliseconds)
    {
        double begin = plan.Seconds / 3, end = 2 * plan.Seconds / 3;
        double usual = Math.Ceiling(figures.Samples.Where(sample => sample.At < begin).Average(sample => sample.Running));
        double drained = figures.Samples.FirstOrDefault(sample => sample.At >= end && sample.Running <= usual)?.At ?? plan.Seconds;
        return new BurstFigures
        {
            BurstStart = begin,
            BurstEnd = end,
            Drained = drained,
            MissedTpot = 1 - CoServeRow.Within(figures.Requests, capacity.TpotObjectiveMs, double.PositiveInfinity),
            WithinObjective = CoServeRow.Within(figures.Requests, capacity.TpotObjectiveMs, ttftMilliseconds),
            FinetuneBefore = Rate(figures.Iterations, 0, begin),
            FinetuneDuring = Rate(figures.Iterations, begin + 1, end),
            FinetuneAfter = Rate(figures.Iterations, drained, drained + 1),
            LongestOverrun = Overrun(figures.Iterations.Where(iteration => iteration.EndAt >= begin && iteration.EndAt <= end), 1.15 * capacity.TpotObjectiveMs),
            TakenBackAfter = TakenBack(figures, begin, drained, plan.Seconds),
            Moments = [.. Enumerable.Range(0, (int)(plan.Seconds / Bin)).Select(bin => Moment(figures, bin * Bin))],
        };
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"burst of {BurstStart:0} to {BurstEnd:0} s: {MissedTpot:P1} of the requests miss the TPOT objective; finetuning {FinetuneBefore:0} tok/s before, {FinetuneDuring:0} in it, {FinetuneAfter:0} in the second after its queue was gone ({Drained:0.0} s); {LongestOverrun} iterations in a row over the objective at most; {(TakenBackAfter is { } seconds ? $"taken back after {seconds:0.0} s" : "not taken back")}");

    private static BurstMoment Moment(EngineFigures figures, double from)
    {
        var running = figures.Samples.Where(sample => sample.At >= from && sample.At < from + Bin).Select(sample => sample.Running).DefaultIfEmpty(0);
        int arrivals = figures.Requests.Count(request => request.At >= from && request.At < from + Bin);
        return new BurstMoment(from + (Bin / 2), running.Average(), Rate(figures.Iterations, from, from + Bin), arrivals / Bin);
    }

    private static int Overrun(IEnumerable<IterationFigures> iterations, double limit)
    {
        (int longest, int current) = (0, 0);
        foreach (var iteration in iterations)
        {
            current = iteration is { DecodeRows: > 0, HasFinetuning: true } && iteration.Milliseconds > limit ? current + 1 : 0;
            longest = Math.Max(longest, current);
        }
        return longest;
    }

    // From when on half a second's mean reaches what it was before the burst.
    private static double? TakenBack(EngineFigures figures, double begin, double drained, double end)
    {
        double before = Rate(figures.Iterations, 0, begin);
        foreach (var sample in figures.Samples.Where(sample => sample.At >= drained && sample.At + Bin <= end))
        {
            if (Rate(figures.Iterations, sample.At, sample.At + Bin) >= before)
                return sample.At - drained;
        }
        return null;
    }

    private static double Rate(IReadOnlyList<IterationFigures> iterations, double from, double to) => IterationFigures.TrainedBetween(iterations, from, to) / (to - from);
}
