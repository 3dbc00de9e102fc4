using System.Diagnostics;
using System.Globalization;
using AiFabric.Benchmarks.Machine;

namespace AiFabric.Benchmarks.Gateway;

/// <summary>What the gateway costs in front of a worker, beside nginx in the same place: all three are asked in turn, several rounds.</summary>
internal static class OverheadBench
{
    private const double Rate = 300;
    private const int Streams = 200;
    private const int Tokens = 160;
    private const int PaceMilliseconds = 50;
    private const int Idle = 5_000;

    // Machines change within seconds: sides are asked in turn for so long.
    private const int TurnSeconds = 1;
    private const int TurnsPerRound = 4;

    public static async Task<IReadOnlyList<GatewayRow>> RunAsync(string repository, int rounds, Action<string> tell, CancellationToken cancellationToken)
    {
        int port = GatewayFabric.FreePort(), bare = GatewayFabric.FreePort();
        using Process fake = Self("gateway-fake", port), proxy = Self("gateway-bare", bare, port);
        try
        {
            await using NginxProcess nginx = NginxProcess.Start(port);
            await using GatewayFabric gateway = await GatewayFabric.StartAsync(repository, [port], cancellationToken);
            tell(await NginxProcess.VersionAsync(cancellationToken));
            Side[] sides =
            [
                new("direct", new Uri($"http://127.0.0.1:{port}"), () => []), new("nginx", nginx.Url, nginx.ProcessIds),
                new("YARP alone", new Uri($"http://127.0.0.1:{bare}"), () => [proxy.Id]), new("gateway", gateway.Url, () => [gateway.ProcessId]),
            ];
            return [.. await LatencyAsync(sides, rounds, tell, cancellationToken), .. await ThroughputAsync(sides, rounds, tell, cancellationToken), .. await CpuAsync(sides, rounds, tell, cancellationToken),
                .. await MemoryAsync(sides, tell, cancellationToken)];
        }
        finally
        {
            fake.Kill();
            proxy.Kill();
        }
    }

    private static Process Self(string verb, params int[] ports) => Shell.Start(
        Environment.ProcessPath ?? throw new BenchException("the benchmark's own executable cannot be found"), new Dictionary<string, string>(), "/dev/null",
        [verb, .. ports.Select(port => port.ToString(CultureInfo.InvariantCulture))]);

    private static async Task<GatewayRow[]> LatencyAsync(Side[] sides, int rounds, Action<string> tell, CancellationToken cancellationToken)
    {
        var times = sides.ToDictionary(side => side.Name, _ => new List<double>());
        for (int turn = -TurnsPerRound; turn < rounds * TurnsPerRound; turn++)
        {
            foreach (Side side in sides)
            {
                using var load = new StreamLoad(side.Url);
                StreamTimes[] answers = await load.AtRateAsync(Rate, TurnSeconds, cancellationToken);
                if (turn >= 0) // The first warm up.
                    times[side.Name].AddRange(answers.Skip(1).Select(answer => answer.Last * 1_000)); // And the first of a turn connects.
            }
        }
        foreach (Side side in sides)
            tell(string.Create(CultureInfo.InvariantCulture, $"{side.Name} at {Rate} req/s: p50 {Quantiles.At(times[side.Name], 0.5):0.000} ms, p99 {Quantiles.At(times[side.Name], 0.99):0.000} ms"));
        double Added(string name, double part) => Quantiles.At(times[name], part) - Quantiles.At(times["direct"], part);
        return
        [
            GatewayRow.Of("added latency p50 at 300 req/s, ms, beside nginx", Added("gateway", 0.5), Added("nginx", 0.5)),
            GatewayRow.Of("added latency p50 at 300 req/s, ms, beside YARP alone", Added("gateway", 0.5), Added("YARP alone", 0.5)),
            GatewayRow.Of("latency p99 at 300 req/s, ms, beside nginx", Quantiles.At(times["gateway"], 0.99), Quantiles.At(times["nginx"], 0.99)),
        ];
    }

    private static async Task<GatewayRow[]> ThroughputAsync(Side[] sides, int rounds, Action<string> tell, CancellationToken cancellationToken)
    {
        var rates = sides.ToDictionary(side => side.Name, _ => new List<double>());
        for (int round = -1; round < rounds; round++)
        {
            foreach (Side side in sides)
            {
                using var load = new StreamLoad(side.Url);
                int done = await load.InTurnAsync(clients: 32, events: 16, seconds: 3, cancellationToken);
                if (round >= 0)
                    rates[side.Name].Add(done / 3.0);
            }
        }
        foreach (Side side in sides)
            tell(string.Create(CultureInfo.InvariantCulture, $"{side.Name}: {Quantiles.At(rates[side.Name], 0.5):0} streams/s of 16 events, 32 clients"));
        return [GatewayRow.Of("streams/s of 16 events at once, 32 clients, beside nginx", Quantiles.At(rates["gateway"], 0.5), Quantiles.At(rates["nginx"], 0.5))];
    }

    private static async Task<GatewayRow[]> CpuAsync(Side[] sides, int rounds, Action<string> tell, CancellationToken cancellationToken)
    {
        var milliseconds = sides.ToDictionary(side => side.Name, _ => new List<double>());
        for (int round = 0; round < rounds; round++)
        {
            foreach (Side side in sides.Where(side => side.Processes().Length > 0))
            {
                using var load = new StreamLoad(side.Url);
                double before = side.Processes().Sum(ProcessUse.CpuSeconds);
                StreamTimes[] answers = await Task.WhenAll(Enumerable.Range(0, Streams).Select(async i =>
                {
                    await Task.Delay(i * PaceMilliseconds / Streams, cancellationToken); // Not all at the same moment.
                    return await load.AskAsync(Tokens, PaceMilliseconds, cancellationToken);
                }));
                double used = side.Processes().Sum(ProcessUse.CpuSeconds) - before;
                milliseconds[side.Name].Add(used * 1_000 * 1_000 / answers.Sum(answer => answer.Events));
            }
        }
        foreach (Side side in sides.Where(side => milliseconds[side.Name].Count > 0))
            tell($"{side.Name}: CPU ms per 1,000 tokens, {Streams} streams of 20 tokens/s: {string.Join(", ", milliseconds[side.Name].Select(value => value.ToString("0.0", CultureInfo.InvariantCulture)))}");
        return [GatewayRow.Of("CPU ms per 1,000 streamed tokens, beside nginx", Quantiles.At(milliseconds["gateway"], 0.5), Quantiles.At(milliseconds["nginx"], 0.5))];
    }

    private static async Task<GatewayRow[]> MemoryAsync(Side[] sides, Action<string> tell, CancellationToken cancellationToken)
    {
        var mebibytes = new Dictionary<string, double>();
        foreach (Side side in sides.Where(side => side.Processes().Length > 0))
        {
            using var load = new StreamLoad(side.Url);
            long before = side.Processes().Sum(ProcessUse.ResidentBytes);
            var open = new List<HttpResponseMessage>(Idle);
            while (open.Count < Idle)
                open.AddRange(await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => load.OpenIdleAsync(cancellationToken))));
            await Task.Delay(TimeSpan.FromSeconds(2), cancellationToken);
            long after = side.Processes().Sum(ProcessUse.ResidentBytes);
            open.ForEach(answer => answer.Dispose());
            mebibytes[side.Name] = after / 1048576.0;
            tell(string.Create(CultureInfo.InvariantCulture, $"{side.Name}: {before / 1048576.0:0} MiB before, {after / 1048576.0:0} MiB with {Idle} idle streams, {(after - before) / Idle / 1024.0:0.0} KiB each"));
        }
        return [GatewayRow.Of("resident MiB with 5,000 idle streams, beside nginx", mebibytes["gateway"], mebibytes["nginx"])];
    }

    /// <summary>What is asked.</summary>
    private sealed record Side(string Name, Uri Url, Func<int[]> Processes);
}
