using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using Xunit;

namespace AiFabric.Tests.Scheduling;

public sealed class FairnessTests
{
    [Fact]
    public void Tenants_that_always_wait_get_equal_service_whatever_they_ask_for()
    {
        // Many small requests against few large ones; the virtual token counter's bound holds at every step (Sheng et al., theorem 4.4).
        var simulation = new Simulation(blocks: 64, blockSize: 4, batchTokens: 32, running: 8);
        var (small, large) = (new List<Sequence>(), new List<Sequence>());
        for (int i = 0; i < 400; i++)
            small.Add(simulation.Add(4, 4, firstToken: 1_000 * i, tenant: "small"));
        for (int i = 0; i < 60; i++)
            large.Add(simulation.Add(40, 20, firstToken: 500_000 + (1_000 * i), tenant: "large", priority: -100));
        int bound = 2 * Math.Max(40, 2 * 64 * 4);
        int steps = 0;

        while (small.Exists(s => s.State == SequenceState.Waiting && !s.WasAdmitted) && large.Exists(s => s.State == SequenceState.Waiting && !s.WasAdmitted))
        {
            simulation.Step();
            steps++;
            Assert.InRange(Service(small) - Service(large), -bound, bound);
        }
        Assert.InRange(steps, 100, int.MaxValue);
        Assert.InRange(Service(small), 1_000, int.MaxValue);
        simulation.RunToEnd();
    }

    [Fact]
    public void A_tenant_with_one_request_does_not_queue_behind_a_flood()
    {
        var simulation = new Simulation(running: 2);
        for (int i = 0; i < 50; i++)
            simulation.Add(8, 8, firstToken: 1_000 * i, tenant: "flood");
        for (int i = 0; i < 20; i++)
            simulation.Step();
        var guest = simulation.Add(8, 8, firstToken: 900_000, tenant: "guest");

        int endedBefore = simulation.Scheduler.Ended.Count;
        while (guest.Finish is null)
            simulation.Step();

        Assert.InRange(simulation.Scheduler.Ended.Count - endedBefore, 1, 4); // Itself, and the two that ran.
    }

    [Fact]
    public void Idling_saves_nothing_up()
    {
        var simulation = new Simulation(running: 2);
        for (int i = 0; i < 100; i++)
            simulation.Add(8, 8, firstToken: 1_000 * i, tenant: "steady");
        simulation.Add(8, 8, firstToken: 900_000, tenant: "idler");
        for (int i = 0; i < 200; i++)
            simulation.Step();
        var late = Enumerable.Range(0, 40).Select(i => simulation.Add(8, 8, firstToken: 500_000 + (1_000 * i), tenant: "idler")).ToList();
        int before = simulation.Scheduler.Ended.Count;

        while (late.Exists(s => s.State == SequenceState.Waiting))
            simulation.Step();

        // Two by two, while the idler had 40 to do the other one had nearly as many.
        Assert.InRange(simulation.Scheduler.Ended.Skip(before).Count(s => s.Request.Tenant == "steady"), 30, 50);
    }

    [Fact]
    public void Priorities_order_a_tenants_own_requests_and_nobody_elses()
    {
        var simulation = new Simulation(running: 1);
        var other = simulation.Add(4, 2, tenant: "b");
        var (usual, later, urgent, alsoUrgent) = (Add(0), Add(5), Add(-1), Add(-1));

        simulation.RunToEnd();

        Assert.Equal([other, urgent, alsoUrgent, usual, later], simulation.Scheduler.Ended);

        Sequence Add(int priority) => simulation.Add(4, 2, firstToken: 1_000 + priority, tenant: "a", priority: priority);
    }

    [Fact]
    public void Parts_of_older_work_are_admitted_before_those_of_younger_and_urgency_stands_above_age()
    {
        var simulation = new Simulation(running: 1) { Now = TimeSpan.FromSeconds(60) };
        var running = Add(0);
        simulation.Step();
        var (young, alsoYoung, old, older) = (Add(1), Add(1), Add(20), Add(30));
        var urgent = simulation.Add(4, 2, firstToken: 9_000, priority: -1);

        simulation.RunToEnd();

        Assert.Equal([running, urgent, older, old, young, alsoYoung], simulation.Scheduler.Ended);

        Sequence Add(int age) => simulation.Add(4, 2, firstToken: 1_000 + age, age: TimeSpan.FromSeconds(age));
    }

    [Fact]
    public void Age_gains_a_tenant_nothing_over_others_and_makes_no_first_token_late()
    {
        var simulation = new Simulation(running: 1) { Now = TimeSpan.FromHours(1) };
        for (int i = 0; i < 4; i++)
            simulation.Add(8, 4, firstToken: 1_000 * i, tenant: "old", age: TimeSpan.FromMinutes(50));
        var other = simulation.Add(8, 4, firstToken: 90_000, tenant: "new");

        simulation.RunToEnd();

        Assert.Equal(1, simulation.Scheduler.Ended.IndexOf(other));
        Assert.Equal(TimeSpan.FromHours(1), other.Arrived);
    }

    [Fact]
    public void Tenants_share_no_blocks_and_no_salt_spells_a_tenant()
    {
        var simulation = new Simulation(batchTokens: 64);
        simulation.Add(12, 4, tenant: "a", salt: "s");
        simulation.RunToEnd();
        Sequence[] strangers = [simulation.Add(12, 4), simulation.Add(12, 4, tenant: "b", salt: "s"), simulation.Add(12, 4, salt: "s"), simulation.Add(12, 4, tenant: "a")];
        var same = simulation.Add(12, 4, tenant: "a", salt: "s");
        simulation.RunToEnd();

        Assert.All(strangers, s => Assert.Equal(0, s.CachedTokens));
        Assert.Equal(8, same.CachedTokens);
        Assert.NotEqual(PrefixHash.Start(0, "b", "a"), PrefixHash.Start(0, "1:b", "a"));
        Assert.NotEqual(PrefixHash.Start(0, null, "a/none"), PrefixHash.Start(0, "none", "a"));
    }

    [Fact]
    public void Tenants_that_left_are_forgotten_when_nothing_is_owed()
    {
        var queue = new FairQueue();
        for (int i = 0; i < 10_000; i++)
        {
            var sequence = new Sequence(new SequenceId(i), new GenerationRequest { PromptTokens = [1], MaxTokens = 1, Tenant = $"t{i}" }, 1, 0, 0, 16);
            queue.Add(sequence);
            FairQueue.ChargePrompt(sequence, i % 7);
            queue.Remove(sequence);
            FairQueue.Ended(sequence);
        }
        Assert.InRange(queue.Tenants, 1, 200);
        Assert.Equal((0, 0L), (queue.Count, queue.Tokens));
    }

    private static int Service(List<Sequence> sequences) =>
        sequences.Sum(s => (s.WasAdmitted ? s.PromptCount - s.CachedTokens : 0) + (2 * s.OutputCount));
}
