using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using Xunit;

namespace AiFabric.Tests.Scheduling;

/// <summary>When and how far decode rows guess ahead. The simulated model always draws the same token, so that a guess of it is right.</summary>
public sealed class SpeculationTests
{
    private const int Tokens = 4;

    [Fact]
    public void Right_guesses_make_fewer_iterations_and_the_same_output()
    {
        var (plain, guessing) = (Simulated(tokens: 0), Simulated());
        Sequence[] all = [plain.Add(6, 40), guessing.Add(6, 40)];

        int without = plain.RunToEnd(), with = guessing.RunToEnd();

        Assert.Equal(40, without);
        Assert.InRange(with, 9, 14); // Five tokens each, once there is something to guess from.
        Assert.All(all, s => Assert.Equal((40, FinishReason.Length), (s.OutputCount, s.Finish)));
        Assert.All(all, s => Assert.Equal(Enumerable.Repeat(Simulation.SampledToken, 40), s.Tokens[6..].ToArray()));
        Assert.Equal(64, guessing.Pool.Free);
    }

    [Fact]
    public void Wrong_guesses_cost_nothing_but_their_tokens()
    {
        var simulation = Simulated();
        var sequence = simulation.Add([9, Simulation.SampledToken, 50, 51, 52, 53, 54, 9], 20);
        simulation.Step();

        var batch = simulation.Plan();

        Assert.Equal([new BatchRows(sequence, 8, 1 + Tokens, true, Tokens)], batch.DecodeRows);
        Assert.Equal((1, Tokens, 1 + Tokens), (batch.DraftRows, batch.DraftTokens, batch.InferenceTokens));
        Assert.Equal([50, 51, 52, 53], sequence.TokensAndDrafts[9..].ToArray());
        Assert.Equal(9, sequence.Tokens.Length);
        simulation.Commit(batch);
        Assert.Equal((2, 9, 1), (sequence.OutputCount, sequence.Computed, sequence.Remaining));
    }

    [Fact]
    public void Guesses_stop_before_a_stop_token_and_the_last_token_that_is_allowed()
    {
        var simulation = Simulated();
        var stopping = simulation.Add([9, Simulation.SampledToken, 50, 5, 52, 9], 10, stops: [5]);
        var ending = simulation.Add([8, Simulation.SampledToken, 60, 61, 62, 8], 3);
        simulation.Step();

        var rows = simulation.Plan().DecodeRows;

        Assert.Equal([(stopping, 1), (ending, 1)], rows.Select(row => (row.Sequence, row.Drafts)));
    }

    [Fact]
    public void An_iteration_that_is_planned_again_guesses_anew()
    {
        var simulation = Simulated();
        var sequence = simulation.Add([9, Simulation.SampledToken, 50, 51, 52, 53, 54, 9], 20);
        simulation.Step();
        simulation.Plan();

        Assert.Equal(Tokens, Assert.Single(simulation.Plan().DecodeRows).Drafts);
        Assert.Equal(9 + Tokens, sequence.TokensAndDrafts.Length);
    }

    [Fact]
    public void Prompts_come_before_guesses()
    {
        var simulation = Simulated(batchTokens: 10);
        var sequence = simulation.Add(6, 100);
        for (int i = 0; i < 6; i++)
            simulation.Step();
        simulation.Add(30, 4, firstToken: 500);

        var batch = simulation.Step();

        Assert.Equal((new BatchRows(sequence, batch.DecodeRows[0].Start, 1, true), 9), (batch.DecodeRows[0], batch.PromptTokens));
    }

    [Fact]
    public void Guesses_leave_a_block_to_each_that_runs()
    {
        // Blocks of one token: each guess needs one, and in every iteration each sequence needs one more.
        var simulation = Simulated(blocks: 40, blockSize: 1);
        for (int i = 0; i < 3; i++)
            simulation.Add(3, 30, firstToken: 100 * (i + 1));
        simulation.Step();
        int guesses = 0;
        while (simulation.Scheduler.HasSequences)
        {
            int free = simulation.Pool.Free, running = simulation.Scheduler.RunningCount;
            var batch = simulation.Plan();
            guesses += batch.DraftTokens;
            if (batch.Preempted == 0 && batch.PromptTokens == 0)
                Assert.InRange(simulation.Pool.Free, Math.Min(free - running, running), 40);
            simulation.Commit(batch);
        }
        Assert.True(guesses > 20);
        Assert.Equal(40, simulation.Pool.Free);
    }

    [Theory]
    [InlineData(10, 0.02, 1, 0, Tokens)] // reading weights takes all the time, rows are nearly free
    [InlineData(0.01, 1, 8, 5, 0)] // a row costs what it brings, and some guesses are wrong
    public void Guesses_are_made_only_where_they_pay(double fixedMilliseconds, double perRow, int sequences, int surprise, int expected)
    {
        var simulation = Simulated(blocks: 2_000, batchTokens: 64);
        simulation.Draw = place => surprise > 0 && place % surprise == 0 ? 10_000 + place : Simulation.SampledToken;
        simulation.Milliseconds = batch => fixedMilliseconds + (perRow * batch.InferenceTokens);
        for (int i = 0; i < sequences; i++)
        {
            // Each starts and ends at its own time, so that rows of several numbers are seen.
            simulation.Add(8, 300 + (40 * i), firstToken: 1_000 * (i + 1));
            simulation.Step();
        }
        for (int i = 0; i < 30; i++)
            simulation.Step();

        var rows = simulation.Plan().DecodeRows;

        Assert.Equal(sequences, rows.Count);
        Assert.All(rows, row => Assert.Equal(expected, row.Drafts));
    }

    [Fact]
    public void Guesses_that_are_always_wrong_are_given_up_where_rows_cost_time()
    {
        var simulation = Simulated(blocks: 2_000, batchTokens: 64);
        simulation.Milliseconds = batch => 4 + batch.InferenceTokens;
        // Every second token is the same, and what follows it never comes again.
        simulation.Draw = place => place % 2 == 0 ? Simulation.SampledToken : 1_000 + place;
        simulation.Add(8, 1_000);
        int early = 0, late = 0;
        for (int i = 0; i < 200; i++)
        {
            var batch = simulation.Plan();
            (early, late) = i < 20 ? (early + batch.DraftTokens, late) : (early, late + (i >= 180 ? batch.DraftTokens : 0));
            simulation.Commit(batch);
        }
        Assert.InRange(early, 10, 80);
        Assert.InRange(late, 0, early / 2);
    }

    private static Simulation Simulated(int tokens = Tokens, int blocks = 64, int blockSize = 4, int batchTokens = 32) =>
        new(blocks, blockSize, batchTokens, change: o => o with { SpeculativeTokens = tokens, PromptLookupMin = 1 });
}
