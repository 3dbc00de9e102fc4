using AiFabric.Crds.CoServedModels;
using AiFabric.Gateway.Routing;
using Xunit;

namespace AiFabric.Tests.Gateway;

public sealed class RoutePlannerTests
{
    private static readonly RoutingPolicy[] Hashing = [RoutingPolicy.PrefixAware, RoutingPolicy.PrefixHash];

    private static Candidate Worker(int id, double load = 0, int cached = 0) => new(PromptDigester.Pod($"uid-{id}"), load, cached);

    private static RouteQuery Query(RoutingPolicy policy, int bytes = 1_000, ulong? beginning = 7, ulong? session = null, uint turn = 0) =>
        new(policy, bytes, beginning, session, turn);

    /// <summary>Policy, loads, cached bytes of a prompt of 1,000, turn, and who is chosen.</summary>
    public static TheoryData<RoutingPolicy, double[], int[], int, int> Choices => new()
    {
        { RoutingPolicy.PrefixAware, [0, 0, 0], [256, 896, 640], 0, 1 }, // The longest prefix,
        { RoutingPolicy.PrefixAware, [0, 5, 0], [256, 896, 640], 0, 1 }, // although its worker has more to do,
        { RoutingPolicy.PrefixAware, [0, 8, 0], [256, 896, 640], 0, 2 }, // but not when one more is more than its share: ceil(1.25 · 9 / 3) + 4 = 8.
        { RoutingPolicy.PrefixAware, [3, 1, 2], [896, 896, 896], 0, 1 }, // Of equal prefixes the least load,
        { RoutingPolicy.PrefixAware, [1, 1, 1], [896, 896, 896], 2, 2 }, // of equal loads turns.
        { RoutingPolicy.PrefixAware, [1, 2, 0], [128, 0, 0], 0, 2 }, // What all prompts begin with is no reason.
        { RoutingPolicy.PrefixAware, [2, 1, 2], [0, 0, 0], 0, 1 },
        { RoutingPolicy.LeastLoad, [2, 1, 2], [896, 0, 0], 0, 1 },
        { RoutingPolicy.LeastLoad, [1, 1, 1], [896, 0, 0], 5, 2 },
        { RoutingPolicy.RoundRobin, [9, 9, 0], [896, 0, 0], 4, 1 },
    };

    [Theory]
    [MemberData(nameof(Choices))]
    public void Each_policy_chooses_by_its_rule(RoutingPolicy policy, double[] loads, int[] cached, int turn, int chosen)
    {
        Candidate[] candidates = [.. loads.Select((load, i) => Worker(i, load, cached[i]))];
        Assert.Equal(chosen, RoutePlanner.Pick(Query(policy, turn: (uint)turn), candidates));
    }

    [Fact]
    public void Nobody_is_chosen_of_none_and_the_only_one_whatever_its_load()
    {
        foreach (RoutingPolicy policy in Enum.GetValues<RoutingPolicy>())
        {
            Assert.Equal(-1, RoutePlanner.Pick(Query(policy), []));
            Assert.Equal(0, RoutePlanner.Pick(Query(policy, session: 3), [Worker(1, 1_000)]));
        }
    }

    [Theory]
    [InlineData(RoutingPolicy.PrefixAware)]
    [InlineData(RoutingPolicy.PrefixHash)]
    [InlineData(RoutingPolicy.LeastLoad)]
    [InlineData(RoutingPolicy.RoundRobin)]
    public void No_worker_is_chosen_above_the_bound_while_requests_come_and_go(RoutingPolicy policy)
    {
        for (int seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            int count = random.Next(2, 9);
            double[] loads = new double[count];
            var running = new Queue<int>();
            for (uint turn = 0; turn < 500; turn++)
            {
                // Every prompt is wholly cached by the first worker, and many have one beginning: the worst for balance.
                Candidate[] now = [.. loads.Select((load, i) => Worker(i, load, i == 0 ? 1_000 : 0))];
                ulong? session = Hashing.Contains(policy) && random.Next(4) == 0 ? (ulong)random.Next(3) : null;
                int chosen = RoutePlanner.Pick(Query(policy, beginning: (ulong)random.Next(3), session: session, turn: turn), now);
                if (policy != RoutingPolicy.RoundRobin)
                    Assert.True(loads[chosen] + 1 <= RoutePlanner.Bound(now), $"seed {seed}: {loads[chosen]} + 1 of {string.Join(' ', loads)}");
                loads[chosen]++;
                running.Enqueue(chosen);
                while (running.Count > 0 && random.Next(20) > 9)
                    loads[running.Dequeue()]--;
            }
        }
    }

    [Fact]
    public void A_worker_that_leaves_moves_nobodys_keys_but_its_own()
    {
        var random = new Random(11);
        Candidate[] all = [.. Enumerable.Range(0, 8).Select(i => Worker(i))];
        for (int key = 0; key < 2_000; key++)
        {
            ulong name = (ulong)random.NextInt64();
            foreach (RouteQuery query in (RouteQuery[])[Query(RoutingPolicy.PrefixHash, beginning: name), Query(RoutingPolicy.LeastLoad, session: name)])
            {
                int before = RoutePlanner.Pick(query, all);
                int gone = random.Next(all.Length);
                Candidate[] left = [.. all.Where((_, i) => i != gone)];
                if (gone != before)
                    Assert.Equal(all[before].Id, left[RoutePlanner.Pick(query, left)].Id);
            }
        }
    }

    [Fact]
    public void Keys_spread_evenly_over_workers()
    {
        var random = new Random(5);
        Candidate[] all = [.. Enumerable.Range(0, 8).Select(i => Worker(i))];
        int[] counts = new int[all.Length];
        for (int key = 0; key < 80_000; key++)
            counts[RoutePlanner.Pick(Query(RoutingPolicy.PrefixHash, beginning: (ulong)random.NextInt64()), all)]++;
        Assert.All(counts, count => Assert.InRange(count, 9_500, 10_500)); // Five standard deviations of 10,000.
    }

    [Theory]
    [InlineData(RoutingPolicy.RoundRobin)]
    [InlineData(RoutingPolicy.LeastLoad)]
    [InlineData(RoutingPolicy.PrefixAware)]
    public void Requests_without_a_cached_prefix_are_shared_out_equally(RoutingPolicy policy)
    {
        double[] loads = new double[5];
        for (uint turn = 0; turn < 500; turn++)
            loads[RoutePlanner.Pick(Query(policy, turn: turn), [.. loads.Select((load, i) => Worker(i, load))])]++;
        Assert.All(loads, load => Assert.Equal(100, load));
    }

    [Fact]
    public void A_session_stays_with_its_worker_until_that_has_more_than_its_share()
    {
        double[] loads = new double[4];
        int home = RoutePlanner.Pick(Query(RoutingPolicy.LeastLoad, session: 9), Now());
        for (uint turn = 1; turn < 6; turn++)
        {
            loads[home] = 4; // Within the slack.
            Assert.Equal(home, RoutePlanner.Pick(Query(RoutingPolicy.LeastLoad, session: 9, turn: turn), Now()));
        }
        loads[home] = 8;
        int second = RoutePlanner.Pick(Query(RoutingPolicy.LeastLoad, session: 9), Now());
        Assert.NotEqual(home, second);
        Assert.Equal(second, RoutePlanner.Pick(Query(RoutingPolicy.LeastLoad, session: 9, turn: 3), Now())); // And there, too, it stays.

        Candidate[] Now() => [.. loads.Select((load, i) => Worker(i, load))];
    }
}
