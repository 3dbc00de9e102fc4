using AiFabric.Engine.Scheduling;
using Xunit;

namespace AiFabric.Tests.Scheduling;

/// <summary>Sequences whose readers are behind.</summary>
public sealed class HeldTests
{
    private const int Most = Sequence.MostUnread;

    [Fact]
    public void A_sequence_is_held_when_its_reader_is_behind_and_goes_on_when_half_is_read()
    {
        var simulation = new Simulation(blocks: 256) { HasReaders = true };
        Sequence slow = simulation.Add(4, 3 * Most);
        Run(simulation);
        Assert.Equal((Most, true, SequenceState.Running), (slow.OutputCount, slow.IsHeld, slow.State));
        Assert.False(simulation.Scheduler.HasWork);

        Assert.False(Simulation.Read(slow, (Most / 2) - 1));
        Run(simulation);
        Assert.Equal(Most, slow.OutputCount);
        Assert.True(Simulation.Read(slow, 1));
        Run(simulation);
        Assert.Equal(Most + (Most / 2), slow.OutputCount);
        while (slow.Finish is null)
        {
            Simulation.Read(slow, Most / 2);
            Run(simulation);
        }
        Assert.Equal(3 * Most, slow.OutputCount);
        Assert.Equal(256, simulation.Pool.Free);
    }

    [Fact]
    public void Who_is_held_gives_its_place_away_and_comes_back_with_the_same_tokens_when_it_is_read()
    {
        var simulation = new Simulation(blocks: 256, batchTokens: 64, running: 1) { HasReaders = true, Draw = place => 1_000 + place };
        Sequence slow = simulation.Add(4, 2 * Most);
        Run(simulation);
        Sequence other = simulation.Add(4, 20, firstToken: 9_000);
        Run(simulation);
        Assert.Equal((SequenceState.Ended, SequenceState.Waiting), (other.State, slow.State));
        Assert.False(simulation.Scheduler.HasWork);

        while (slow.Finish is null)
        {
            Simulation.Read(slow, Most / 2);
            Run(simulation);
        }
        Assert.Equal([.. Enumerable.Range(1_000, 2 * Most)], slow.Tokens[slow.PromptCount..].ToArray());
    }

    [Fact]
    public void Who_is_held_gives_its_blocks_to_one_that_grows_before_anybody_who_is_read()
    {
        // 72 blocks of 4 tokens: the slow one holds 33 of them, and two that are let in with one each grow to 26 each.
        var simulation = new Simulation(blocks: 72, batchTokens: 64) { HasReaders = true };
        Sequence slow = simulation.Add(4, 2 * Most);
        Run(simulation);
        Sequence[] read = [simulation.Add(4, 100, firstToken: 9_000), simulation.Add(4, 100, firstToken: 19_000)];
        int sentBack = 0;
        while (read[1].Finish is null)
        {
            sentBack += simulation.Step().Preempted;
            foreach (Sequence sequence in read)
                Simulation.Read(sequence, 1);
        }

        Assert.Equal((1, SequenceState.Waiting), (sentBack, slow.State));
        slow.RequestCancel();
        simulation.Step();
        Assert.False(simulation.Scheduler.HasSequences);
        Assert.Equal(72, simulation.Pool.Free);
    }

    [Fact]
    public void The_time_of_being_held_is_none_that_the_tokens_took()
    {
        var simulation = new Simulation(blocks: 256, change: options => options with { TpotMilliseconds = 20 }) { HasReaders = true, Milliseconds = _ => 10 };
        Sequence slow = simulation.Add(4, 3 * Most);
        Run(simulation);
        double before = slow.Allowance(20, simulation.Now);
        Simulation.Read(slow, Most);
        simulation.Now += TimeSpan.FromMinutes(5);
        simulation.Step();

        Assert.True(slow.WasHeld);
        Assert.InRange(slow.Allowance(20, simulation.Now), before - 20, before + 20);
    }

    [Fact]
    public void Slow_quick_and_leaving_readers_all_end_and_nothing_is_left()
    {
        var random = new Random(17);
        var simulation = new Simulation(blocks: 96, batchTokens: 32, running: 4) { HasReaders = true };
        var unread = new Dictionary<Sequence, int>();
        for (int step = 0; step < 20_000 && (step < 100 || simulation.Scheduler.HasSequences); step++)
        {
            if (step < 60)
            {
                Sequence added = simulation.Add(
                    random.Next(1, 24), random.Next(1, 300), firstToken: 1_000 * step, tenant: $"t{random.Next(3)}", isCopy: random.Next(4) == 0);
                unread[added] = 0;
            }
            simulation.Step();
            foreach (Sequence sequence in unread.Keys.ToArray())
            {
                Assert.True(sequence.OutputCount - unread[sequence] <= Most, $"{sequence.OutputCount - unread[sequence]} wait");
                int takes = Math.Min(sequence.OutputCount - unread[sequence], sequence.Id.Value % 5 == 0 ? random.Next(2) : random.Next(12));
                Simulation.Read(sequence, takes);
                unread[sequence] += takes;
                if (random.Next(4_000) == 0)
                    sequence.RequestCancel();
            }
        }

        Assert.All(unread.Keys, sequence => Assert.Equal(SequenceState.Ended, sequence.State));
        Assert.Equal(96, simulation.Pool.Free);
    }

    /// <summary>Steps while there is work.</summary>
    private static void Run(Simulation simulation)
    {
        for (int i = 0; i < 10_000; i++)
        {
            simulation.Step();
            if (!simulation.Scheduler.HasWork)
                return;
        }
        Assert.Fail("it never rests");
    }
}
