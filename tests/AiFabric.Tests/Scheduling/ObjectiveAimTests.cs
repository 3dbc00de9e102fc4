using AiFabric.Engine.Scheduling;
using Xunit;

namespace AiFabric.Tests.Scheduling;

public sealed class ObjectiveAimTests
{
    [Fact]
    public void A_request_that_missed_because_of_finetuning_lowers_it_and_one_that_kept_the_objective_raises_it_by_less()
    {
        var aim = new ObjectiveAim(50);
        double before = aim.Share;

        aim.Observe(51, 30);
        Assert.Equal(before - 0.0485, aim.Share, 1e-9);

        aim.Observe(50, 30);
        Assert.Equal(before - 0.047, aim.Share, 1e-9);
    }

    [Fact]
    public void A_request_that_would_have_missed_alone_changes_nothing()
    {
        var aim = new ObjectiveAim(50);
        double before = aim.Share;

        aim.Observe(80, 51);

        Assert.Equal(before, aim.Share);
    }

    [Theory]
    [InlineData(60, 0.5)]
    [InlineData(40, 1)]
    public void It_keeps_between_half_and_all_of_the_objective(double took, double expected)
    {
        var aim = new ObjectiveAim(50);

        for (int i = 0; i < 1_000; i++)
            aim.Observe(took, 30);

        Assert.Equal(expected, aim.Share, 1e-9);
    }

    [Fact]
    public void In_the_long_run_three_of_a_hundred_requests_miss()
    {
        var aim = new ObjectiveAim(50);
        var random = new Random(7);
        const int Requests = 20_000;
        int missed = 0;
        for (int i = 0; i < Requests; i++)
        {
            // What was planned, and up to a third more or less.
            double took = aim.Share * 50 * (0.67 + (0.66 * random.NextDouble()));
            missed += took > 50 ? 1 : 0;
            aim.Observe(took, 20);
        }

        Assert.InRange((double)missed / Requests, 0.025, 0.035);
    }
}
