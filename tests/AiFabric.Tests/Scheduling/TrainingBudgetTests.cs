using AiFabric.Engine;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using Xunit;

namespace AiFabric.Tests.Scheduling;

public sealed partial class TrainingBudgetTests
{
    private const int Steps = 4;

    [Theory]
    [InlineData(TrainingPhase.Idle, 100, 0, 0)]
    [InlineData(TrainingPhase.Forward, 100, 32, 0)]
    [InlineData(TrainingPhase.Forward, 5, 5, 0)]
    [InlineData(TrainingPhase.Forward, 0, 0, 0)]
    [InlineData(TrainingPhase.Backward, 100, 0, 32)]
    [InlineData(TrainingPhase.Backward, 7, 0, 7)]
    public void Without_inference_and_objective_training_takes_the_whole_batch(TrainingPhase phase, int left, int forward, int backward)
    {
        var simulation = new Simulation(batchTokens: 32, change: o => o with { MaxFinetuneTokens = 8 }) { Demand = Demand(phase, left) };

        var batch = simulation.Plan();

        Assert.Equal((forward, backward), (batch.TrainingForwardTokens, batch.Backward.Tokens));
        Assert.Equal((backward, backward > 0 ? Steps : 0), (batch.Backward.LossTokens, batch.Backward.Steps));
    }

    [Theory]
    [InlineData(8, 100, 8)]  // bounded by the option
    [InlineData(100, 6, 6)]  // by what there is
    [InlineData(100, 100, 28)] // by the budget beside four prompt tokens
    [InlineData(0, 100, 0)]  // switched off
    public void Beside_inference_without_objective_only_the_bounds_count(int most, int left, int expected)
    {
        var simulation = new Simulation(batchTokens: 32, change: o => o with { MaxFinetuneTokens = most }) { Demand = Demand(TrainingPhase.Forward, left) };
        simulation.Add(4, 10);

        Assert.Equal(expected, simulation.Plan().TrainingForwardTokens);
    }

    [Fact]
    public void A_cap_below_what_is_useful_otherwise_bounds_backward_and_does_not_stop_it()
    {
        var simulation = new Simulation(batchTokens: 32, change: o => o with { MaxFinetuneTokens = 8 }) { Demand = Demand(TrainingPhase.Backward, 100) };
        simulation.Add(4, 10);

        Assert.Equal(new BackwardSlice(8, 8, Steps), simulation.Plan().Backward);
    }

    [Fact]
    public void Zero_tokens_keep_training_out_even_without_inference()
    {
        var simulation = new Simulation(change: o => o with { MaxFinetuneTokens = 0 }) { Demand = Demand(TrainingPhase.Forward, 100) };

        Assert.True(simulation.Plan().IsEmpty);
    }

    [Theory]
    [InlineData(TrainingPhase.Forward)]
    [InlineData(TrainingPhase.Backward)]
    public void The_first_windows_beside_an_objective_are_small(TrainingPhase phase)
    {
        var simulation = Loaded(objective: 50);
        simulation.Demand = Demand(phase, 1000);

        var batch = simulation.Plan();

        Assert.Equal(IterationBudget.SmallestUseful, batch.TrainingForwardTokens + batch.Backward.Tokens);
        Assert.InRange(batch.Backward.Steps, 0, 1);
    }

    [Theory]
    [InlineData(20, 80, 101)] // 10 ms beside decoding, 0.1 ms a token
    [InlineData(50, 250, 256)]
    [InlineData(11, 0, 0)] // nothing useful fits
    [InlineData(5, 0, 0)] // inference alone misses it
    public void Windows_fill_the_time_that_the_objective_leaves(double objective, int least, int most)
    {
        var simulation = Loaded(objective);
        Teach(simulation);
        simulation.Demand = Demand(TrainingPhase.Forward, 10_000);

        Assert.InRange(simulation.Plan().TrainingForwardTokens, least, most);
    }

    [Theory]
    [InlineData(0.5, 80, 120)] // as long as inference takes: 10 ms
    [InlineData(0.75, 200, 256)]
    [InlineData(0, 0, 0)]
    public void Weighted_fair_grants_its_share_where_the_objective_is_missed(double share, int least, int most)
    {
        var simulation = Loaded(5, o => o with { Policy = CoServingPolicy.WeightedFair, TrainingShare = share });
        Teach(simulation);
        simulation.Demand = Demand(TrainingPhase.Forward, 10_000);

        Assert.InRange(simulation.Plan().TrainingForwardTokens, least, most);
    }

    [Theory]
    // Loss 0.05 ms a token, a step 1 ms and 0.02 ms a token; beside 10 ms of decoding.
    [InlineData(60, 0, 0, 0, 200, 200, 4)] // all of a window of 200 tokens: 10 ms of loss, 20 ms of steps
    [InlineData(20, 0, 0, 0, 125, 125, 0)] // a step's half of 20 ms leaves room for 450 tokens but the time is gone after the loss
    [InlineData(17, 200, 0, 4, 200, 0, 1)] // one step of the window under way
    [InlineData(22, 200, 0, 4, 200, 0, 2)]
    [InlineData(60, 200, 100, 4, 200, 100, 4)]
    [InlineData(12, 200, 0, 4, 0, 0, 0)] // not even one
    public void A_slice_of_backward_is_as_many_losses_and_layers_as_fit(double objective, int open, int loss, int steps, int tokens, int losses, int slice)
    {
        var simulation = Loaded(objective);
        TeachBackward(simulation);
        simulation.Demand = Demand(TrainingPhase.Backward, 200) with { OpenTokens = open, LossLeft = loss, StepsLeft = steps };

        var planned = simulation.Plan().Backward;

        Assert.InRange(planned.Tokens, tokens * 0.8, tokens * 1.6);
        Assert.InRange(planned.LossTokens, losses * 0.7, losses * 1.6);
        Assert.Equal(slice, planned.Steps);
    }

    [Theory]
    [InlineData(30, 0)] // It is late by more than an iteration leaves.
    [InlineData(10, 0)]
    [InlineData(0, 9)]
    [InlineData(-10, 18)] // It is ahead, and that is what finetuning has besides.
    [InlineData(-1_000, 47)] // But no token takes more than three objectives.
    public void Finetuning_has_what_the_request_that_is_furthest_behind_leaves_of_its_mean(int late, int milliseconds)
    {
        var simulation = Loaded(objective: 20);
        Teach(simulation);
        simulation.Step(); // Its second token takes 10 of 19 ms: 9 are left of them.
        simulation.Now += TimeSpan.FromMilliseconds(9 + late);
        simulation.Demand = Demand(TrainingPhase.Forward, 10_000);

        Assert.InRange(simulation.Plan().TrainingForwardTokens, Math.Min(256, 9 * milliseconds), Math.Min(256, (11 * milliseconds) + 1));
    }

    [Fact]
    public void The_mean_of_a_request_keeps_the_objective_after_every_token_whatever_finetuning_really_takes()
    {
        var simulation = Loaded(objective: 20);
        TeachBackward(simulation);
        var random = new Random(5);
        simulation.BackwardMilliseconds = slice => BackwardTime(slice) * (0.5 + random.NextDouble());
        simulation.Demand = Demand(TrainingPhase.Backward, 200) with { OpenTokens = 200, LossLeft = 0, StepsLeft = 4 };
        var start = simulation.Now;
        int trained = 0;

        for (int token = 1; token <= 300; token++)
        {
            trained += simulation.Step().Backward.Steps;
            double mean = (simulation.Now - start).TotalMilliseconds / token;
            Assert.True(token < 10 || mean <= 20, $"{mean} ms after {token} tokens");
        }

        Assert.InRange(trained, 450, 580); // 9.4 ms of each iteration, a step is 5.
    }

    [Fact]
    public void A_window_too_wide_for_what_is_left_is_paid_from_several_iterations()
    {
        var simulation = Loaded(objective: 13); // 3 ms are left, and a step takes 5.
        TeachBackward(simulation);
        simulation.Demand = Demand(TrainingPhase.Backward, 200) with { OpenTokens = 200, LossLeft = 0, StepsLeft = 4 };

        List<int> steps = [.. Enumerable.Range(0, 12).Select(_ => simulation.Step().Backward.Steps)];

        Assert.All(steps, count => Assert.InRange(count, 0, 1));
        Assert.InRange(steps.Sum(), 2, 7);
    }

    [Fact]
    public void A_piece_that_is_thought_to_cost_more_than_may_be_saved_is_tried_at_last_and_paid_for()
    {
        var simulation = Loaded(objective: 20);
        // It was slow when nothing ran: a step took 120 ms, losses 80 and more, and 47 ms are left at most.
        simulation.BackwardMilliseconds = slice => (slice.LossTokens > 0 ? 80 : 0) + (120 * slice.Steps);
        for (int i = 0; i < 60; i++)
            simulation.Force(batch => (batch.Backward, batch.TrainingPosition) = (new BackwardSlice(64, i % 3 * 16, i % 2 == 0 ? 1 : 0), 64));
        Renew(simulation);
        simulation.BackwardMilliseconds = BackwardTime;
        simulation.Demand = Demand(TrainingPhase.Backward, 64) with { OpenTokens = 64, LossLeft = 64, StepsLeft = 4 };

        List<int> losses = [.. Enumerable.Range(0, 400).Select(_ => simulation.Step().Backward.LossTokens)];

        Assert.Equal(0, losses[0]);
        Assert.Contains(IterationBudget.SmallestUseful, losses);
        Assert.Equal(64, losses[^1]); // It learned that they cost 3.2 ms.
    }

    [Fact]
    public void Beside_a_pass_a_slice_has_the_whole_objective()
    {
        var simulation = Loaded(20, o => o with { BackwardBeside = true });
        TeachBackward(simulation);
        simulation.Demand = Demand(TrainingPhase.Backward, 200) with { OpenTokens = 200, LossLeft = 0, StepsLeft = 4 };
        for (int i = 0; i < 200; i++)
            simulation.Step();

        var steps = Enumerable.Range(0, 20).Select(_ => simulation.Step()).ToList();

        Assert.All(steps, batch => Assert.True(batch.IsBeside || batch.Backward.Tokens == 0));
        Assert.InRange(steps.Sum(batch => batch.Backward.Steps), 55, 80); // 20 ms carry three to four steps of 5 ms, though the pass takes 10: after it there would be two.
    }

    [Fact]
    public void A_pass_that_would_miss_the_objective_on_half_of_the_threads_runs_on_all()
    {
        var simulation = Loaded(14, o => o with { BackwardBeside = true }); // The pass takes 10 ms, and is thought to take half as long again beside a slice.
        TeachBackward(simulation);
        simulation.Demand = Demand(TrainingPhase.Backward, 64) with { OpenTokens = 64, LossLeft = 0, StepsLeft = 4 };

        Assert.Equal((1, false), (simulation.Plan().Backward.Steps, simulation.Plan().IsBeside));
    }

    [Fact]
    public void The_cap_counts_a_slice_by_its_layers()
    {
        var simulation = Loaded(objective: 1000, o => o with { MaxFinetuneTokens = 100 });
        TeachBackward(simulation);
        simulation.Demand = Demand(TrainingPhase.Backward, 400) with { OpenTokens = 200, LossLeft = 0, StepsLeft = 4 };

        Assert.Equal(new BackwardSlice(200, 0, 2), simulation.Plan().Backward); // 100 tokens through four steps are 200 through two.
    }

    [Fact]
    public void Without_inference_an_iteration_takes_no_longer_than_a_tenth_of_the_ttft()
    {
        var simulation = Loaded(20, o => o with { TtftMilliseconds = 300 });
        Teach(simulation);
        simulation.Running.RequestCancel();
        simulation.Plan();
        simulation.Demand = Demand(TrainingPhase.Forward, 10_000);

        Assert.InRange(simulation.Plan().TrainingForwardTokens, 180, 220); // 30 ms less the pass's own 10
    }
}
