using AiFabric.Engine;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using Xunit;

namespace AiFabric.Tests.Scheduling;

public sealed class TrainingBudgetTests
{
    [Theory]
    [InlineData(TrainingPhase.Idle, 100, 0, 0)]
    [InlineData(TrainingPhase.Forward, 100, 32, 0)]
    [InlineData(TrainingPhase.Forward, 5, 5, 0)]
    [InlineData(TrainingPhase.Forward, 0, 0, 0)]
    [InlineData(TrainingPhase.Backward, 100, 0, 32)]
    [InlineData(TrainingPhase.Backward, 7, 0, 7)]
    public void Without_inference_training_takes_the_whole_budget(TrainingPhase phase, int left, int forward, int backward)
    {
        var simulation = new Simulation(batchTokens: 32, change: o => o with { MaxFinetuneTokens = 8, TpotMilliseconds = 1 });
        simulation.Demand = new TrainingDemand(phase, left);

        var batch = simulation.Plan();

        Assert.Equal((forward, backward), (batch.TrainingForwardTokens, batch.Backward.Tokens));
    }

    [Theory]
    [InlineData(8, 100, 8)]  // bounded by the option
    [InlineData(100, 6, 6)]  // by what there is
    [InlineData(100, 100, 28)] // by the budget beside four prompt tokens
    [InlineData(0, 100, 0)]  // switched off
    public void Beside_inference_without_objective_only_the_bounds_count(int most, int left, int expected)
    {
        var simulation = new Simulation(batchTokens: 32, change: o => o with { MaxFinetuneTokens = most });
        simulation.Demand = new TrainingDemand(TrainingPhase.Forward, left);
        simulation.Add(4, 10);

        Assert.Equal(expected, simulation.Plan().TrainingForwardTokens);
    }

    [Fact]
    public void Zero_tokens_keep_training_out_even_without_inference()
    {
        var simulation = new Simulation(change: o => o with { MaxFinetuneTokens = 0 });
        simulation.Demand = new TrainingDemand(TrainingPhase.Forward, 100);

        Assert.True(simulation.Plan().IsEmpty);
    }

    [Theory]
    [InlineData(TrainingPhase.Forward)]
    [InlineData(TrainingPhase.Backward)]
    public void The_first_windows_beside_an_objective_are_small(TrainingPhase phase)
    {
        var simulation = Loaded(objective: 50);
        simulation.Demand = new TrainingDemand(phase, 1000);

        var batch = simulation.Plan();

        Assert.Equal(TrainingBudget.SmallestUseful, batch.TrainingForwardTokens + batch.Backward.Tokens);
    }

    [Theory]
    [InlineData(20, 60, 90)] // 0.9 · 20 ms − 10 ms for decoding = 8 ms, 0.1 ms a token: 80
    [InlineData(50, 250, 256)]
    [InlineData(11, 0, 0)] // nothing useful fits
    [InlineData(5, 0, 0)] // inference alone misses it
    public void Windows_fill_the_time_that_the_objective_leaves(double objective, int least, int most)
    {
        var simulation = Loaded(objective);
        simulation.Demand = new TrainingDemand(TrainingPhase.Forward, 10_000);
        Teach(simulation);

        Assert.InRange(simulation.Plan().TrainingForwardTokens, least, most);
    }

    [Fact]
    public void Weighted_fair_grants_its_share_where_the_objective_is_missed()
    {
        var simulation = Loaded(5, o => o with { Policy = CoServingPolicy.WeightedFair, TrainingShare = 0.5 });
        simulation.Demand = new TrainingDemand(TrainingPhase.Forward, 10_000);
        Teach(simulation);

        // Half of an iteration whose inference takes 10 ms: another 10 ms, 0.1 ms a token.
        Assert.InRange(simulation.Plan().TrainingForwardTokens, 80, 120);
    }

    [Fact]
    public void A_slice_of_backward_is_sized_by_its_own_speed()
    {
        var simulation = Loaded(objective: 50);
        simulation.Demand = new TrainingDemand(TrainingPhase.Backward, 10_000);
        for (int i = 0; i < 20; i++)
            simulation.Step(); // Backward takes one millisecond a token.

        Assert.InRange(simulation.Plan().Backward.Tokens, 30, 40);
    }

    // One sequence that decodes; an iteration takes 10 ms and 0.1 ms per finetuning token.
    private static Simulation Loaded(double objective, Func<SchedulerOptions, SchedulerOptions>? change = null)
    {
        var simulation = new Simulation(blocks: 1024, batchTokens: 512, change: o =>
        {
            var options = o with { MaxFinetuneTokens = 256, TpotMilliseconds = objective };
            return change?.Invoke(options) ?? options;
        });
        simulation.Milliseconds = batch => 10 + (0.1 * batch.TrainingForwardTokens);
        simulation.Add(4, 3000);
        for (int i = 0; i < 10; i++)
            simulation.Step();
        return simulation;
    }

    // Iterations with windows of several sizes, as a demand that shrinks makes them.
    private static void Teach(Simulation simulation)
    {
        var demand = simulation.Demand;
        var outcome = new BatchOutcome();
        outcome.Sampled.Add(new SampledToken(1, null, null));
        for (int i = 0; i < 200; i++)
        {
            var batch = simulation.Scheduler.Next(default);
            outcome.TrainingForwardTokens = i % 5 * 16;
            outcome.ForwardTime = TimeSpan.FromMilliseconds(10 + (0.1 * outcome.TrainingForwardTokens));
            simulation.Scheduler.Commit(batch, outcome);
        }
        simulation.Demand = demand;
    }
}
