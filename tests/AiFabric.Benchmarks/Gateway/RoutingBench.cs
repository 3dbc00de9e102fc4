using System.Globalization;
using AiFabric.Benchmarks.Speed.Serving;
using AiFabric.Crds.CoServedModels;

namespace AiFabric.Benchmarks.Gateway;

/// <summary>
/// Policies on four real workers of the demo model. The caches are small, so that each holds a part of what is shared and all four hold all of it, as is so with large models and many applications.
/// </summary>
internal static class RoutingBench
{
    private const int Workers = 4;

    // Blocks of 16 tokens: a third of the system prompts, and room for the chats that run.
    private const int KvBlocks = 240;

    private static readonly ChatShape Shared = new(Systems: 24, SystemWords: 230, Turns: 3, TurnWords: 12, AnswerTokens: 8);
    private static readonly ChatShape Uniform = new(Systems: 0, SystemWords: 230, Turns: 1, TurnWords: 12, AnswerTokens: 8);

    private static readonly Way[] Ways =
    [
        new("PrefixAware", RoutingPolicy.PrefixAware), new("PrefixHash", RoutingPolicy.PrefixHash), new("LeastLoad", RoutingPolicy.LeastLoad),
        new("RoundRobin", RoutingPolicy.RoundRobin), new("random", RoutingPolicy.RoundRobin, Scatter: true),
    ];

    public static async Task<IReadOnlyList<GatewayRow>> RunAsync(
        string repository, int rounds, int chats, double perSecond, int seed, Action<string> tell, CancellationToken cancellationToken)
    {
        WorkerProcess[] workers = [.. Enumerable.Range(0, Workers).Select(i => WorkerProcess.StartDemo(repository, GatewayFabric.Model, KvBlocks, i))];
        try
        {
            foreach (WorkerProcess worker in workers)
                worker.WaitUntilReady();
            await using GatewayFabric gateway = await GatewayFabric.StartAsync(repository, [.. workers.Select(worker => worker.Port)], cancellationToken);
            var shared = await MeasureAsync(gateway, Shared, Ways, rounds, chats, perSecond, seed, cancellationToken);
            Tell("shared system prompts, three turns", shared, tell);
            // As many prompts as the other load has; none of them is found again, so each costs all.
            var uniform = await MeasureAsync(gateway, Uniform, [Ways[0], Ways[3]], rounds, chats, perSecond, seed + 1_000, cancellationToken);
            Tell("nothing shared, one turn", uniform, tell);
            return Rows(shared, uniform);
        }
        finally
        {
            foreach (WorkerProcess worker in workers)
                worker.Dispose();
        }
    }

    private static async Task<Dictionary<string, List<ChatFigures>>> MeasureAsync(
        GatewayFabric gateway, ChatShape shape, Way[] ways, int rounds, int chats, double perSecond, int seed, CancellationToken cancellationToken)
    {
        var figures = ways.ToDictionary(way => way.Name, _ => new List<ChatFigures>());
        using var load = new ChatLoad(gateway.Url, shape);
        for (int round = 0; round < rounds; round++)
        {
            // There and back, so that what changes with time falls on all alike.
            foreach (Way way in round % 2 == 0 ? ways : ways.Reverse())
            {
                await gateway.SetPolicyAsync(way.Policy, cancellationToken);
                // Other chats with the same system prompts go first: what a policy left in the caches for the next one is pushed out.
                await load.RunAsync(chats / 2, perSecond, seed + round, seed + round + 500, way.Scatter, cancellationToken);
                figures[way.Name].Add(await load.RunAsync(chats, perSecond, seed + round, seed + round, way.Scatter, cancellationToken));
            }
        }
        return figures;
    }

    private static void Tell(string load, Dictionary<string, List<ChatFigures>> figures, Action<string> tell)
    {
        tell($"{load}:");
        tell("| policy | prefix hit rate | TTFT mean / p50 / p95, ms | tokens/s | answered |");
        tell("|---|---:|---:|---:|---:|");
        foreach ((string way, List<ChatFigures> runs) in figures)
        {
            double[] firsts = [.. runs.SelectMany(run => run.Answers).Select(answer => answer.FirstToken * 1_000)];
            int failed = runs.Sum(run => run.Failed);
            tell(string.Create(
                CultureInfo.InvariantCulture,
                $"| {way} | {runs.Average(run => run.HitRate):0.000} | {firsts.Average():0} / {Quantiles.At(firsts, 0.5):0} / {Quantiles.At(firsts, 0.95):0} | {runs.Average(run => run.Tokens / run.Seconds):0.0} | {firsts.Length} of {firsts.Length + failed} |"));
        }
    }

    private static IReadOnlyList<GatewayRow> Rows(Dictionary<string, List<ChatFigures>> shared, Dictionary<string, List<ChatFigures>> uniform)
    {
        double First(List<ChatFigures> runs) => runs.SelectMany(run => run.Answers).Average(answer => answer.FirstToken) * 1_000;
        double Rate(List<ChatFigures> runs) => runs.Average(run => run.Tokens / run.Seconds);
        return
        [
            .. shared.Keys.Skip(1).Select(way => GatewayRow.Of($"shared prompts: mean TTFT ms, PrefixAware beside {way}", First(shared["PrefixAware"]), First(shared[way]))),
            .. shared.Keys.Skip(1).Select(way => GatewayRow.Of(
                $"shared prompts: prefix hit rate, PrefixAware beside {way}", shared["PrefixAware"].Average(run => run.HitRate), shared[way].Average(run => run.HitRate))),
            GatewayRow.Of("nothing shared: mean TTFT ms, PrefixAware beside RoundRobin", First(uniform["PrefixAware"]), First(uniform["RoundRobin"])),
            GatewayRow.Of("nothing shared: tokens/s, PrefixAware beside RoundRobin", Rate(uniform["PrefixAware"]), Rate(uniform["RoundRobin"])),
        ];
    }

    /// <summary>A policy, or questions that are scattered by a session of their own each.</summary>
    private sealed record Way(string Name, RoutingPolicy Policy, bool Scatter = false);
}
