using AiFabric.Engine.Scheduling;
using Xunit;

namespace AiFabric.Tests.Scheduling;

/// <summary>Copies of requests, for whose answers nobody waits.</summary>
public sealed class CopyTests
{
    [Fact]
    public void Copies_are_admitted_when_no_request_waits_whatever_their_priority_and_tenant()
    {
        var simulation = new Simulation(running: 1);
        Sequence running = Add(simulation, "a", isCopy: false);
        simulation.Step();
        Sequence copy = Add(simulation, "b", isCopy: true, priority: -5);
        Sequence first = Add(simulation, "a", isCopy: false), second = Add(simulation, "a", isCopy: false, priority: 9);

        simulation.RunToEnd();

        Assert.Equal([running, first, second, copy], simulation.Scheduler.Ended);
    }

    [Fact]
    public void A_running_copy_gives_its_place_to_a_request_and_goes_on_after_it_with_the_same_tokens()
    {
        var simulation = new Simulation(running: 1) { Draw = place => 1_000 + place };
        Sequence copy = Add(simulation, "a", isCopy: true, output: 12);
        for (int i = 0; i < 4; i++)
            simulation.Step();
        Assert.Equal(SequenceState.Running, copy.State);
        Sequence request = Add(simulation, "a", isCopy: false);

        simulation.RunToEnd();

        Assert.Equal([request, copy], simulation.Scheduler.Ended);
        Assert.Equal([.. Enumerable.Range(1_000, 12)], copy.Tokens[copy.PromptCount..].ToArray());
    }

    [Fact]
    public void Copies_give_their_blocks_to_a_request_that_lacks_them_and_to_one_that_grows()
    {
        // 16 blocks of 4 tokens. Three copies of 20 tokens have most of them.
        var simulation = new Simulation(blocks: 16, batchTokens: 64);
        Sequence[] copies = [.. Enumerable.Range(0, 3).Select(i => Add(simulation, "a", isCopy: true, prompt: 12, output: 8, firstToken: 1_000 * i))];
        simulation.Step();
        Assert.All(copies, copy => Assert.Equal(SequenceState.Running, copy.State));
        Sequence request = Add(simulation, "b", isCopy: false, prompt: 40, output: 20, firstToken: 9_000);
        for (int i = 0; i < 2; i++)
            simulation.Step();
        Assert.Equal(SequenceState.Running, request.State);

        simulation.RunToEnd();

        Assert.Equal(request, simulation.Scheduler.Ended[0]);
        Assert.Equal(16, simulation.Pool.Free);
    }

    [Fact]
    public void What_copies_compute_costs_their_tenant_nothing_of_its_share()
    {
        var simulation = new Simulation(running: 1);
        for (int i = 0; i < 20; i++)
            Add(simulation, "copied", isCopy: true, prompt: 16, output: 16, firstToken: 1_000 * i);
        while (simulation.Scheduler.Ended.Count < 10)
            simulation.Step();
        Sequence hers = Add(simulation, "copied", isCopy: false, firstToken: 90_000), others = Add(simulation, "other", isCopy: false, firstToken: 91_000);
        simulation.Scheduler.Ended.Clear();

        simulation.RunToEnd();

        // She asked first, and neither had any service.
        Assert.Equal([hers, others], simulation.Scheduler.Ended.Where(sequence => !sequence.Request.IsCopy));
    }

    [Fact]
    public void A_flood_of_copies_and_requests_leaves_nothing_behind_and_delays_no_request_that_could_run()
    {
        var random = new Random(11);
        var simulation = new Simulation(blocks: 40, batchTokens: 24, running: 4);
        var all = new List<Sequence>();
        for (int i = 0; i < 300; i++)
        {
            all.Add(Add(simulation, $"t{random.Next(3)}", isCopy: random.Next(2) == 0, prompt: random.Next(1, 24), output: random.Next(1, 24), firstToken: 1_000 * i));
            if (random.Next(20) == 0)
                all[random.Next(all.Count)].RequestCancel();
            Batch batch = simulation.Step();
            // Whoever runs as a copy runs behind the requests, and no copy comes in while a request waits.
            Assert.True(!batch.Newcomers.Exists(one => one.Request.IsCopy) || !all.Exists(one => !one.Request.IsCopy && !one.CancelRequested && one.State == SequenceState.Waiting));
        }

        simulation.RunToEnd();

        Assert.All(all, sequence => Assert.Equal(SequenceState.Ended, sequence.State));
        Assert.Equal(40, simulation.Pool.Free);
    }

    private static Sequence Add(Simulation simulation, string tenant, bool isCopy, int prompt = 4, int output = 2, int firstToken = 100, int priority = 0) =>
        simulation.Add(prompt, output, firstToken, tenant: tenant, priority: priority, isCopy: isCopy);
}
