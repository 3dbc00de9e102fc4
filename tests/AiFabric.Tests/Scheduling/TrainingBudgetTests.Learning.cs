using AiFabric.Engine.Training;
using Xunit;

namespace AiFabric.Tests.Scheduling;

// What was learned wrong is learned anew.
public sealed partial class TrainingBudgetTests
{
    [Fact]
    public void A_window_that_was_slow_once_is_tried_again()
    {
        var simulation = Loaded(objective: 50);
        var usual = simulation.Milliseconds;
        simulation.Milliseconds = batch => 40 * usual(batch); // Something else had the machine.
        simulation.Force(batch => batch.TrainingForwardTokens = 16);
        simulation.Milliseconds = usual;
        Renew(simulation);
        simulation.Demand = Demand(TrainingPhase.Forward, 10_000);

        int[] windows = [.. Enumerable.Range(0, 60).Select(_ => simulation.Step().TrainingForwardTokens)];

        Assert.Contains(windows, tokens => tokens > 0);
        Assert.True(windows[^1] > 100, $"{windows[^1]} tokens beside a request that is far ahead");
    }
}
