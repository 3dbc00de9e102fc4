using AiFabric.Engine.Training.Planning;
using Xunit;

namespace AiFabric.Tests.Training;

public sealed class TrainingPlanTests
{
    [Theory]
    [InlineData(10, 4, 1, null, 3)]
    [InlineData(10, 4, 5, null, 15)]
    [InlineData(10, 4, 5, 7, 7)]
    [InlineData(10, 4, 1, 7, 3)]
    [InlineData(1, 64, 1, null, 1)]
    public void Steps_are_bounded_by_epochs_and_by_the_limit(int samples, int batchSize, int epochs, int? maxSteps, int expected) =>
        Assert.Equal(expected, new TrainingPlan(samples, batchSize, epochs, maxSteps, 0).TotalSteps);

    [Fact]
    public void Every_epoch_reads_every_sample_once_in_another_order()
    {
        var plan = new TrainingPlan(10, 4, 2, null, seed: 3);
        int[] first = [.. plan.BatchAt(0), .. plan.BatchAt(1), .. plan.BatchAt(2)];
        int[] second = [.. plan.BatchAt(3), .. plan.BatchAt(4), .. plan.BatchAt(5)];
        Assert.Equal(Enumerable.Range(0, 10), first.Order());
        Assert.Equal(Enumerable.Range(0, 10), second.Order());
        Assert.NotEqual(first, second);
        Assert.Equal(2, plan.BatchAt(2).Length);
    }

    [Fact]
    public void The_order_follows_from_seed_and_step_alone()
    {
        var plan = new TrainingPlan(50, 8, 3, null, seed: 42);
        int[] late = new TrainingPlan(50, 8, 3, null, seed: 42).BatchAt(17);
        for (int step = 0; step < 17; step++)
            plan.BatchAt(step);
        Assert.Equal(late, plan.BatchAt(17));
        Assert.NotEqual(late, new TrainingPlan(50, 8, 3, null, seed: 43).BatchAt(17));
    }
}
