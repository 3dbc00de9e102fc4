using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using CsCheck;
using Xunit;

namespace AiFabric.Tests.Scheduling;

/// <summary>Sequences that are embedded: chunks of prompts that sample nothing, and end with a mean.</summary>
public sealed class EmbeddedSequenceTests
{
    [Fact]
    public void It_runs_as_chunks_beside_decode_rows_and_samples_nothing()
    {
        var simulation = new Simulation(batchTokens: 8);
        var talker = simulation.Add(3, 10);
        simulation.Step();
        var embedded = simulation.AddEmbedded(15, firstToken: 200);

        Assert.Equal([new BatchRows(embedded, 0, 7, false)], simulation.Step().PromptChunks);
        Assert.Equal([new BatchRows(embedded, 7, 7, false)], simulation.Step().PromptChunks);
        // One token is left: a chunk all the same, or its state would be lost.
        var last = simulation.Step();
        Assert.Equal([new BatchRows(embedded, 14, 1, false)], last.PromptChunks);

        Assert.Equal([talker], last.DecodeRows.Select(row => row.Sequence));
        Assert.Equal((FinishReason.Stop, 0, 4), (embedded.Finish, embedded.OutputCount, talker.OutputCount));
        Assert.Equal([7f], embedded.States!.Mean());
    }

    [Fact]
    public void It_neither_reads_nor_leaves_cached_blocks()
    {
        var simulation = new Simulation();
        simulation.Add(12, 1);
        simulation.RunToEnd();

        simulation.AddEmbedded(12);
        var batch = simulation.Step();
        Assert.Equal((12, 0, 0), (batch.PromptTokens, batch.PrefixHitTokens, batch.PrefixQueryTokens));
        simulation.AddEmbedded(12, firstToken: 500);
        simulation.RunToEnd();
        simulation.Add(12, 1, firstToken: 500);

        Assert.Equal(0, simulation.Step().PrefixHitTokens);
        Assert.Equal(simulation.Pool.Total, simulation.Pool.Free);
    }

    [Fact]
    public void A_pass_that_failed_counts_once_when_it_is_run_again()
    {
        var simulation = new Simulation();
        var embedded = simulation.AddEmbedded(5);
        embedded.States!.Put([100, 200, 300, 400, 500], 5);

        simulation.Step();

        Assert.Equal([2f], embedded.States.Mean());
    }

    [Fact]
    public void States_that_are_no_whole_rows_are_refused() =>
        Assert.Throws<ArgumentException>(() => new StatePool(3).Put([1, 2, 3, 4], 1));

    [Fact]
    public void Where_prompts_run_whole_the_next_one_waits_for_an_iteration_with_room()
    {
        var simulation = new Simulation(batchTokens: 16, change: o => o with { WholePrompts = true });
        var first = simulation.AddEmbedded(10);
        var second = simulation.AddEmbedded(7, firstToken: 200);
        var third = simulation.AddEmbedded(3, firstToken: 300);

        Assert.Equal([new BatchRows(first, 0, 10, false)], simulation.Step().PromptChunks);
        Assert.Equal([new BatchRows(second, 0, 7, false), new BatchRows(third, 0, 3, false)], simulation.Step().PromptChunks);
        Assert.False(simulation.Scheduler.HasSequences);
    }

    [Fact]
    public void Whatever_runs_beside_it_the_mean_is_of_all_its_tokens_once() =>
        Gen.Select(Gen.Bool, Gen.Int[1, 30], Gen.Int[1, 12]).Array[1, 8].Sample(
            requests =>
            {
                // So few blocks that sequences are preempted and computed again.
                var simulation = new Simulation(blocks: 11, batchTokens: 9);
                var embedded = new List<Sequence>();
                for (int i = 0; i < requests.Length; i++)
                {
                    var (embeds, prompt, output) = requests[i];
                    if (embeds)
                        embedded.Add(simulation.AddEmbedded(prompt, 100 * i));
                    else
                        simulation.Add(prompt, output, 100 * i);
                }
                simulation.RunToEnd();
                Assert.All(embedded, sequence => Assert.Equal([(sequence.PromptCount - 1) / 2f], sequence.States!.Mean()));
                Assert.Equal(simulation.Pool.Total, simulation.Pool.Free);
            },
            iter: 2_000);
}
