using AiFabric.Engine.Requests;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Requests;

public sealed class SlidingAttainmentTests
{
    [Fact]
    public void It_is_the_fraction_met_in_the_last_minute()
    {
        var time = new FakeTimeProvider();
        var attainment = new SlidingAttainment(time);
        Assert.Null(attainment.Value);

        attainment.Observe(false);
        time.Advance(TimeSpan.FromSeconds(30));
        foreach (bool met in new[] { true, true, false })
            attainment.Observe(met);
        Assert.Equal(0.5, attainment.Value);

        time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal(2.0 / 3, attainment.Value);
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(attainment.Value);
    }
}
