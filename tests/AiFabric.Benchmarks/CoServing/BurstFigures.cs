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

    /// <summary>When the last request of the burst had its last token.</summary>
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
    /// had yielded, at most, from the burst's start on.
    /// </summary>
    public required int LongestOverrun { get; init; }

    /// <summary>Seconds after <see cref="Drained"/> until finetuning is as fast as before the burst, over half a second; null when it never was.</summary>
    public required double? TakenBackAfter { get; init; }

    public required IReadOnlyList<BurstMoment> Moments { get; init; }

    public static BurstFigures Of(EnginePlan plan, EngineFigures figures, Capacity capacity, double ttftMilliseconds)
    {
        double begin = plan.Seconds / 3, end = 2 * plan.Seconds / 3;
        // The queue of the burst may outlast it.
        double drained = figures.Requests.Where(request => request.At >= begin && request.At <= end).Select(request => request.EndAt).DefaultIfEmpty(end).Max();
        return new BurstFigures
        {
            BurstStart = begin,
            BurstEnd = end,
            Drained = drained,
            MissedTpot = 1 - CoServeRow.Within(figures.Requests, capacity.TpotObjectiveMs, double.PositiveInfinity),
            WithinObjective = CoServeRow.Within(figures.Requests, capacity.TpotObjectiveMs, ttftMilliseconds),
            FinetuneBefore = Rate(figures.Samples, 0, begin),
            FinetuneDuring = Rate(figures.Samples, begin + 1, end),
            FinetuneAfter = Rate(figures.Samples, drained, drained + 1),
            LongestOverrun = Overrun(figures.Iterations.Where(iteration => iteration.EndAt >= begin), 1.15 * capacity.TpotObjectiveMs),
            TakenBackAfter = TakenBack(figures.Samples, begin, drained),
            Moments = [.. Enumerable.Range(0, (int)(plan.Seconds / Bin)).Select(bin => Moment(figures, bin * Bin))],
        };
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"burst of {BurstStart:0} to {BurstEnd:0} s: {MissedTpot:P1} of the requests miss the TPOT objective; finetuning {FinetuneBefore:0} tok/s before, {FinetuneDuring:0} in it, {FinetuneAfter:0} in the second after its last request ended ({Drained:0.0} s); {LongestOverrun} iterations in a row over the objective at most; taken back after {TakenBackAfter:0.0} s");

    private static BurstMoment Moment(EngineFigures figures, double from)
    {
        var running = figures.Samples.Where(sample => sample.At >= from && sample.At < from + Bin).Select(sample => sample.Running).DefaultIfEmpty(0);
        int arrivals = figures.Requests.Count(request => request.At >= from && request.At < from + Bin);
        return new BurstMoment(from + (Bin / 2), running.Average(), Rate(figures.Samples, from, from + Bin), arrivals / Bin);
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
    private static double? TakenBack(IReadOnlyList<Sample> samples, double begin, double drained)
    {
        double before = Rate(samples, 0, begin);
        foreach (var sample in samples.Where(sample => sample.At >= drained && sample.At + Bin <= samples[^1].At))
        {
            if (Rate(samples, sample.At, sample.At + Bin) >= before)
                return sample.At - drained;
        }
        return null;
    }

    private static double Rate(IReadOnlyList<Sample> samples, double from, double to)
    {
        // Tokens are counted where their layers end: between two samples they are taken to come evenly.
        double seconds = Math.Min(to, samples[^1].At) - from;
        return seconds <= 0 ? 0 : (At(samples, to) - At(samples, from)) / seconds;
    }

    private static double At(IReadOnlyList<Sample> samples, double at)
    {
        for (int i = 1; i < samples.Count; i++)
        {
            var (left, right) = (samples[i - 1], samples[i]);
            if (right.At >= at)
                return left.FinetuneTokens + ((right.FinetuneTokens - left.FinetuneTokens) * Math.Clamp((at - left.At) / (right.At - left.At), 0, 1));
        }
        return samples[^1].FinetuneTokens;
    }
}
