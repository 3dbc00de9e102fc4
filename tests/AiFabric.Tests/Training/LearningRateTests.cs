using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Planning;
using Xunit;

namespace AiFabric.Tests.Training;

public sealed class LearningRateTests
{
    [Theory]
    [InlineData(LearningRateSchedule.Constant, 4, 5, new[] { 0.1, 0.2, 0.3, 0.4, 0.4 })]
    [InlineData(LearningRateSchedule.Constant, 0, 3, new[] { 0.4, 0.4, 0.4 })]
    [InlineData(LearningRateSchedule.Linear, 0, 4, new[] { 0.4, 0.3, 0.2, 0.1 })]
    [InlineData(LearningRateSchedule.Linear, 2, 5, new[] { 0.2, 0.4, 0.3, 0.2, 0.1 })]
    [InlineData(LearningRateSchedule.Cosine, 0, 4, new[] { 0.4, 0.341421, 0.2, 0.058579 })]
    [InlineData(LearningRateSchedule.Cosine, 2, 3, new[] { 0.2, 0.4, 0.2 })]
    [InlineData(LearningRateSchedule.Cosine, 9, 3, new[] { 0.044444, 0.088889, 0.133333 })] // warm-up longer than the job
    public void The_rate_rises_in_warm_up_and_then_follows_its_schedule(LearningRateSchedule schedule, int warmup, int steps, double[] expected)
    {
        var recipe = new TrainingRecipe
        {
            AdapterName = "a",
            DatasetPath = "d",
            CheckpointFolder = "c",
            OutputFolder = "o",
            LearningRate = 0.4,
            WarmupSteps = warmup,
            Schedule = schedule,
        };
        Assert.Equal(expected, Enumerable.Range(1, steps).Select(step => Math.Round(LearningRate.At(recipe, step, steps), 6)));
    }

    [Fact]
    public void An_evaluation_is_better_only_by_more_than_the_least_difference()
    {
        BestEvaluation? best = null;
        foreach ((int step, double loss) in ((int, double)[])[(1, 3.0), (2, 2.5), (3, 2.45), (4, 2.6)])
            best = BestEvaluation.After(best, step, loss, 0.1);
        Assert.Equal(new BestEvaluation(2, 2.5, Stale: 2), best);
        Assert.Equal(new BestEvaluation(5, 2.3), BestEvaluation.After(best, 5, 2.3, 0.1));
    }
}
