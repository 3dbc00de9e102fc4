using AiFabric.Engine.Training;
using Xunit;

namespace AiFabric.Tests.Training;

public sealed class TrainingMemoryTests
{
    [Fact]
    public void Jobs_hold_what_they_take_until_they_end()
    {
        var memory = new TrainingMemory(100, window: 64);
        using (memory.Take(60, 8))
        {
            using IDisposable second = memory.Take(40, 8);
            Assert.Equal(100, memory.LeasedBytes);
            second.Dispose();
            second.Dispose();
            Assert.Equal(60, memory.LeasedBytes);
        }

        Assert.Equal(0, memory.LeasedBytes);
    }

    [Theory]
    [InlineData(50, true)] // fits when the other job has ended
    [InlineData(101, false)] // never fits
    public void A_job_that_does_not_fit_is_refused_with_the_numbers(long needed, bool retryable)
    {
        var memory = new TrainingMemory(100, window: 64);
        using IDisposable other = memory.Take(60, 8);
        TrainingError error = Assert.Throws<TrainingException>(() => memory.Take(needed, 512)).Error;
        Assert.Equal((TrainingErrorReasons.InsufficientMemory, retryable), (error.Reason, error.Retryable));
        Assert.Contains($"512 tokens need {needed} bytes, but finetuning may hold 100, of which other jobs have 60", error.Message);
        Assert.Equal(60, memory.LeasedBytes);
    }
}
