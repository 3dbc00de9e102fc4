using AiFabric.Engine.Training;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Training;

public sealed class TokenRateTests
{
    [Fact]
    public void The_rate_is_of_the_last_ten_seconds_and_falls_to_zero()
    {
        var time = new FakeTimeProvider();
        var rate = new TokenRate(time);
        Assert.Equal(0, rate.PerSecond);
        rate.Restart();
        time.Advance(TimeSpan.FromSeconds(2));
        rate.Add(100);
        Assert.Equal(50, rate.PerSecond, 1e-9);
        time.Advance(TimeSpan.FromSeconds(3));
        rate.Add(150);
        Assert.Equal(50, rate.PerSecond, 1e-9);
        time.Advance(TimeSpan.FromSeconds(8));
        Assert.Equal(15, rate.PerSecond, 1e-9); // the first slice is older than ten seconds
        time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal(0, rate.PerSecond);
    }
}
