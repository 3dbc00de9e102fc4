namespace AiFabric.Benchmarks.CoServing;

/// <summary>What a request gets alone, and how many requests a second inference alone sustains.</summary>
/// <param name="plan">Without finetuning.</param>
/// <param name="say">Told of each trial.</param>
internal sealed class CapacitySearch(EnginePlan plan, Action<string> say)
{
    private const int Alone = 8;
    private const double Precision = 1.08;

    // A queue that grows as long as a trial lasts, and whose requests yet keep their TTFT, is so small a part of what came in so many times the TTFT. The short trial saves the long one's time.
    private static readonly double[] TtftsOfTrials = [12, 36];

    /// <summary>Runs one engine until both are known.</summary>
    public async Task<Capacity> RunAsync()
    {
        (double tpot, double ttft) = await UnloadedAsync();
        double objective = tpot * plan.TpotMultiple;
        await using var run = new EngineRun(plan with { TpotMilliseconds = objective });
        await run.WarmAsync();
        double low = 0, high = double.PositiveInfinity, rate = plan.FirstRate;
        while (high / Math.Max(low, 0.1) > Precision)
        {
            (low, high) = await KeepsAsync(run, rate, objective) ? (rate, high) : (low, rate);
            rate = double.IsInfinity(high) ? 2 * rate : low == 0 ? high / 2 : Math.Sqrt(low * high);
        }
        return new Capacity(tpot, ttft, objective, low);
    }

    private async Task<bool> KeepsAsync(EngineRun run, double rate, double objective)
    {
        foreach (double ttfts in TtftsOfTrials)
        {
            // Counted as systems are: after as long a beginning. An engine that starts empty keeps a rate for a while that it does not sustain.
            var span = TimeSpan.FromMilliseconds(ttfts * plan.TtftMilliseconds);
            var requests = await run.ReplayAsync(run.Arrivals(rate, _ => 1, EngineRun.WarmUp + span, plan.Seed));
            requests = [.. requests.Where(request => request.At >= EngineRun.WarmUp.TotalSeconds)];
            double within = CoServeRow.Within(requests, objective, plan.TtftMilliseconds);
            say($"  {rate:0.00} requests/s for {span.TotalSeconds:0} s: {within:P1} within the objectives");
            if (within < CoServeRow.Enough)
                return false;
        }
        return true;
    }

    private async Task<(double Tpot, double Ttft)> UnloadedAsync()
    {
        await using var run = new EngineRun(plan);
        await run.WarmAsync();
        var tpots = new List<double>();
        var ttfts = new List<double>();
        var arrivals = run.Arrivals(1, _ => 1, TimeSpan.FromSeconds(4 * Alone), plan.Seed + 2).Where(arrival => arrival.Answer > 8).Take(Alone).ToList();
        foreach (var arrival in arrivals) // Uncounted: an engine that has just started is slower (17.9 to 29 ms a token, 16 a minute later), and what it gets decides the objective.
        {
            await run.ReplayAsync([arrival with { At = TimeSpan.Zero }]);
        }
        foreach (var arrival in arrivals)
        {
            var figures = (await run.ReplayAsync([arrival with { At = TimeSpan.Zero }]))[0];
            tpots.Add(figures.TpotMs!.Value); // It has more than one token.
            ttfts.Add(figures.TtftMs);
        }
        return (Median(tpots), Median(ttfts));
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }
}
