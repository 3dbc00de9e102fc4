using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using CsCheck;
using Xunit;

namespace AiFabric.Tests.Scheduling;

public sealed class SchedulerTests
{
    [Fact]
    public void A_long_prompt_is_cut_into_chunks_of_the_token_budget()
    {
        var simulation = new Simulation(batchTokens: 16);
        var sequence = simulation.Add(prompt: 40, output: 2);

        Assert.Equal([new BatchRows(sequence, 0, 16, false)], simulation.Step().PromptChunks);
        Assert.Equal([new BatchRows(sequence, 16, 16, false)], simulation.Step().PromptChunks);
        Assert.Equal([new BatchRows(sequence, 32, 8, true)], simulation.Step().PromptChunks);
        Assert.Equal([new BatchRows(sequence, 40, 1, true)], simulation.Step().DecodeRows);
        Assert.Equal(FinishReason.Length, sequence.Finish);
    }

    [Fact]
    public void Decode_rows_come_first_and_prompts_share_what_is_left()
    {
        var simulation = new Simulation(batchTokens: 8);
        var old = simulation.Add(3, 10);
        simulation.Step();
        var next = simulation.Add(5, 10, firstToken: 200);
        var last = simulation.Add(9, 10, firstToken: 300);

        var batch = simulation.Step();

        Assert.Equal([new BatchRows(old, 3, 1, true)], batch.DecodeRows);
        Assert.Equal([new BatchRows(next, 0, 5, true), new BatchRows(last, 0, 2, false)], batch.PromptChunks);
        Assert.Equal(8, batch.InferenceTokens);
    }

    [Fact]
    public void Admission_waits_for_blocks_and_nobody_overtakes()
    {
        var simulation = new Simulation(blocks: 6);
        var first = simulation.Add(16, 4);
        var large = simulation.Add(12, 4, firstToken: 200);
        var small = simulation.Add(1, 4, firstToken: 300);

        simulation.Step();

        Assert.Equal((SequenceState.Running, SequenceState.Waiting, SequenceState.Waiting), (first.State, large.State, small.State));
        simulation.RunToEnd();
        Assert.Equal([first, large, small], simulation.Scheduler.Ended);
    }

    [Fact]
    public void No_more_sequences_run_than_allowed()
    {
        var simulation = new Simulation(running: 2);
        for (int i = 0; i < 5; i++)
            simulation.Add(2, 3, firstToken: 100 * i);

        while (simulation.Scheduler.HasSequences)
        {
            simulation.Step();
            Assert.InRange(simulation.Scheduler.RunningCount, 0, 2);
        }
        Assert.Equal(5, simulation.Scheduler.Ended.Count);
    }

    [Fact]
    public void Scheduler_preempts_newest_when_blocks_run_out()
    {
        // Each starts with one block of four; one more for each while running, then five are not enough for both.
        var simulation = new Simulation(blocks: 5);
        var oldest = simulation.Add(4, 12);
        var newest = simulation.Add(4, 12, firstToken: 200);
        int preempted = 0;
        while (newest.State != SequenceState.Waiting || preempted == 0)
            preempted += simulation.Step().Preempted;

        Assert.Equal(1, preempted);
        Assert.Equal(SequenceState.Running, oldest.State);
        Assert.Equal(0, newest.Computed);
        Assert.Equal(0, newest.Blocks.Count);

        simulation.RunToEnd();
        Assert.Equal((12, 12), (oldest.OutputCount, newest.OutputCount));
        Assert.Equal([oldest, newest], simulation.Scheduler.Ended);
    }

    [Fact]
    public void A_preempted_sequence_returns_before_those_that_never_ran_and_finds_its_blocks_cached()
    {
        var simulation = new Simulation(blocks: 5);
        simulation.Add(4, 9);
        var newest = simulation.Add(4, 12, firstToken: 200);
        var never = simulation.Add(4, 4, firstToken: 300);
        while (simulation.Step().Preempted == 0)
        {
        }
        int tokens = newest.Tokens.Length;

        while (newest.State == SequenceState.Waiting)
            simulation.Plan();

        Assert.Equal(SequenceState.Waiting, never.State);
        Assert.Equal(tokens, newest.Tokens.Length);
        Assert.True(newest.Computed >= 4);
        Assert.Equal(0, newest.CachedTokens); // Its own blocks are no prefix hit.
    }

    [Fact]
    public void Cancelled_sequences_end_before_the_next_iteration()
    {
        var simulation = new Simulation(running: 1);
        var (running, waiting) = (simulation.Add(4, 100), simulation.Add(4, 100, firstToken: 200));
        simulation.Step();
        running.RequestCancel();
        waiting.RequestCancel();

        var batch = simulation.Plan();

        Assert.True(batch.IsEmpty);
        Assert.Equal([FinishReason.Cancelled, FinishReason.Cancelled], simulation.Scheduler.Ended.Select(s => s.Finish!.Value));
        Assert.Equal(64, simulation.Pool.Free);
    }

    [Fact]
    public void A_stop_token_ends_a_sequence()
    {
        var simulation = new Simulation();
        var sequence = simulation.Add(4, 100, stops: [5, Simulation.SampledToken]);

        Assert.Equal(1, simulation.RunToEnd());
        Assert.Equal((FinishReason.Stop, 1), (sequence.Finish, sequence.OutputCount));
    }

    [Fact]
    public void A_failed_iteration_ends_its_sequences_once_and_spares_the_waiting()
    {
        var simulation = new Simulation(running: 1);
        var (failed, waiting) = (simulation.Add(4, 4), simulation.Add(4, 4, firstToken: 200));

        var batch = simulation.Plan();
        simulation.Scheduler.Fail(batch, "broken");
        simulation.Scheduler.Fail(batch, "broken");

        Assert.Equal((FinishReason.Error, "broken"), (failed.Finish, failed.Error));
        Assert.Equal([failed], simulation.Scheduler.Ended);
        simulation.RunToEnd();
        Assert.Equal(FinishReason.Length, waiting.Finish);
    }

    [Fact]
    public void An_iteration_that_was_not_committed_is_planned_again()
    {
        var simulation = new Simulation();
        simulation.Add(10, 2);

        var once = simulation.Plan().PromptChunks.ToArray();
        var again = simulation.Plan().PromptChunks.ToArray();

        Assert.Equal(once, again);
    }

    [Fact]
    public void Equal_prompts_share_blocks_and_a_salt_keeps_them_apart()
    {
        var simulation = new Simulation(batchTokens: 64);
        simulation.Add(12, 4);
        simulation.RunToEnd();
        var (same, tenant, adapter) = (simulation.Add(12, 4), simulation.Add(12, 4, salt: "t"), simulation.Add(12, 4, adapter: 1));

        var batch = simulation.Plan();

        Assert.Equal((8, 0, 0), (same.CachedTokens, tenant.CachedTokens, adapter.CachedTokens));
        Assert.Equal((8, 36), (batch.PrefixHitTokens, batch.PrefixQueryTokens));
    }

    [Fact]
    public void A_sequence_that_can_never_fit_is_refused()
    {
        var simulation = new Simulation(blocks: 4);

        simulation.Add(8, 8);
        Assert.Throws<ArgumentException>(() => simulation.Add(8, 9));
    }

    [Fact]
    public void An_outcome_of_another_batch_is_refused()
    {
        var simulation = new Simulation();
        simulation.Add(4, 4);
        var outcome = new BatchOutcome();
        outcome.Sampled.AddRange([new SampledToken(1, null, null), new SampledToken(1, null, null)]);

        Assert.Throws<ArgumentException>(() => simulation.Scheduler.Commit(simulation.Plan(), outcome));
    }

    [Fact]
    public void Whatever_arrives_or_leaves_every_sequence_ends_once_and_every_block_returns()
    {
        var arrival = Gen.Select(Gen.Int[1, 30], Gen.Int[1, 20], Gen.Int[0, 3], Gen.Int[0, 12], Gen.Int[-40, 20]);
        Gen.Select(Gen.Int[13, 30], Gen.Int[8, 24], arrival.Array[1, 25], Gen.Bool).Sample((blocks, budget, arrivals, caching) =>
        {
            var simulation = new Simulation(blocks, blockSize: 4, batchTokens: budget, change: o => o with { PrefixCaching = caching });
            var all = new List<(Sequence Sequence, int CancelAt, int Output)>();
            int step = 0;
            foreach (var (prompt, output, shared, wait, cancelAfter) in arrivals)
            {
                all.Add((simulation.Add(prompt, output, firstToken: 100 * shared), cancelAfter < 0 ? int.MaxValue : step + cancelAfter, output));
                for (int i = 0; i < wait; i++)
                    Advance();
            }
            while (simulation.Scheduler.HasSequences)
                Advance();

            Assert.Equal(all.Count, simulation.Scheduler.Ended.Distinct().Count());
            Assert.Equal(all.Count, simulation.Scheduler.Ended.Count);
            Assert.Equal(blocks, simulation.Pool.Free);
            Assert.All(all, entry => Assert.True(entry.Sequence.Finish == FinishReason.Cancelled || entry.Sequence.OutputCount == entry.Output));

            void Advance()
            {
                Assert.True(step++ < 20_000, "starved");
                foreach (var (sequence, cancelAt, _) in all)
                {
                    if (cancelAt == step)
                        sequence.RequestCancel();
                }
                var batch = simulation.Plan();
                Check(batch, budget);
                Assert.False(batch.IsEmpty && simulation.Scheduler.HasSequences);
                simulation.Commit(batch);
            }
        });
    }

    [Fact]
    public void Steps_allocate_nothing_once_warm()
    {
        var simulation = new Simulation(blocks: 256, batchTokens: 32);
        for (int i = 0; i < 8; i++)
            simulation.Add(8, 100, firstToken: 100 * i);
        var outcome = new BatchOutcome();
        for (int i = 0; i < 8; i++)
            outcome.Sampled.Add(new SampledToken(1, null, null));
        for (int i = 0; i < 10; i++)
            simulation.Step();
        for (int i = 0; i < 60; i++)
            simulation.Scheduler.Commit(simulation.Scheduler.Next(default, default), outcome);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++) // From block 20 to 25: the tables grew to 32 before.
            simulation.Scheduler.Commit(simulation.Scheduler.Next(default, default), outcome);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    // No two rows write the same slot, and no row's slot lies in a block that another sequence could read as cached.
    private static void Check(Batch batch, int budget)
    {
        Assert.InRange(batch.InferenceTokens, 0, budget);
        var written = new HashSet<BlockId>();
        foreach (var row in batch.DecodeRows.Concat(batch.PromptChunks))
        {
            Assert.Equal(SequenceState.Running, row.Sequence.State);
            Assert.Equal(row.Sequence.Computed, row.Start);
            Assert.True(row.Sequence.Blocks.Count * 4 >= row.Start + row.Count);
            foreach (int block in Enumerable.Range(row.Start, row.Count).Select(token => token / 4).Distinct())
                Assert.True(written.Add(row.Sequence.Blocks.Blocks[block]));
        }
    }
}
