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
/// <param name="RequestsPerSecond">The load.</param>
/// <param name="Streaming">Calls in the gateway's order.</param>
/// <param name="Barrier">The same with barriers.</param>
/// <param name="ByAge">Streaming with calls in the order of their request's age alone; null where that was not run.</param>
/// <param name="ByCall">Streaming with calls in the order in which they are made; null where that was not run.</param>
internal sealed record LoadPoint(double RequestsPerSecond, Latencies Streaming, Latencies Barrier, Latencies? ByAge = null, Latencies? ByCall = null);

/// <summary>The loads at which a latency target is just met.</summary>
/// <param name="Seconds">The median must not be longer.</param>
/// <param name="Streaming">Requests per second, interpolated between the loads that were run; 0 when none meets it.</param>
/// <param name="Barrier">The same with barriers.</param>
/// <param name="Ratio">Null when barriers meet it under no load.</param>
internal sealed record TargetPoint(double Seconds, double Streaming, double Barrier, double? Ratio);

/// <summary>One row of <c>artifacts/bench/pipeline.json</c>.</summary>
/// <param name="Case">Where the stages ran.</param>
/// <param name="ThroughputRatio">Highest load that meets the target: streaming's over barriers'. Null when barriers meet it under no load.</param>
/// <param name="P99Ratio">Barriers' p99 over streaming's, under the highest load at which barriers meet the target (else the lowest that was run).</param>
/// <param name="TargetSeconds">The median must not be longer.</param>
/// <param name="Targets">The throughput's ratio at other targets.</param>
/// <param name="Loads">All that was measured.</param>
internal sealed record PipelineRow(
    string Case, double? ThroughputRatio, double P99Ratio, double TargetSeconds, IReadOnlyList<TargetPoint> Targets, IReadOnlyList<LoadPoint> Loads)
{
    /// <summary>Median time from a client's leaving until no worker has a call of it, milliseconds.</summary>
    public double? FreedMilliseconds { get; init; }
}

/// <summary>Sweeps the load over the emulated servers, streaming and with barriers.</summary>
internal static class PipelineBench
{
    /// <summary>Other targets, by the one that counts.</summary>
    private static readonly double[] OtherTargets = [0.75, 0.875, 1, 1.125, 1.25, 1.5, 2];

    /// <summary>Raises the load until streaming's median is twice the target.</summary>
    public static PipelineRow Emulated(EmulatedSetting setting, double target, double step, double most, int requests, int seed, Action<string> say)
    {
        say(setting.Case);
        var loads = new List<LoadPoint>();
        do
        {
            double load = (loads.Count + 1) * step;
            EmulatedWay[] ways =
                [new(PipelineExecution.Streaming), new(PipelineExecution.Barrier), new(PipelineExecution.Streaming, CallOrder.ByAge), new(PipelineExecution.Streaming, CallOrder.ByCall)];
            Latencies[] latencies = [.. ways.AsParallel().AsOrdered().Select(way => Latencies.Of(EmulatedCluster.Run(setting, way, load, requests, seed)))];
            loads.Add(new LoadPoint(load, latencies[0], latencies[1], latencies[2], latencies[3]));
            say(PipelineReport.Line(loads[^1]));
        }
        while (loads.Count * step < most && loads[^1].Streaming.P50 <= 2 * target);
        return Row(setting.Case, target, loads);
    }

    public static PipelineRow Row(string name, double target, IReadOnlyList<LoadPoint> loads)
    {
        TargetPoint at = At(target, loads);
        LoadPoint compared = loads.TakeWhile(point => point.Barrier.P50 <= target).LastOrDefault() ?? loads[0];
        return new PipelineRow(
            name, at.Ratio, compared.Barrier.P99 / compared.Streaming.P99, target, [.. OtherTargets.Select(factor => At(factor * target, loads))], loads);
    }

    private static TargetPoint At(double target, IReadOnlyList<LoadPoint> loads)
    {
        double streaming = Most(target, loads, point => point.Streaming.P50), barrier = Most(target, loads, point => point.Barrier.P50);
        return new TargetPoint(target, streaming, barrier, barrier > 0 ? streaming / barrier : null);
    }

    /// <summary>The highest load below which all meet the target; between two loads the median is taken to grow evenly.</summary>
    private static double Most(double target, IReadOnlyList<LoadPoint> loads, Func<LoadPoint, double> median)
    {
        int failing = 0;
        while (failing < loads.Count && median(loads[failing]) <= target)
            failing++;
        if (failing == 0)
            return 0;
        LoadPoint last = loads[failing - 1];
        if (failing == loads.Count)
            return last.RequestsPerSecond;
        LoadPoint next = loads[failing];
        return last.RequestsPerSecond + ((next.RequestsPerSecond - last.RequestsPerSecond) * (target - median(last)) / (median(next) - median(last)));
    }
}
