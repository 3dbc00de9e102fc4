using AiFabric.Engine.Scheduling;
using Xunit;

namespace AiFabric.Tests.Scheduling;

public sealed class LatencyModelTests
{
    [Fact]
    public void It_learns_a_linear_machine_from_mixed_iterations()
    {
        var model = new LatencyModel();
        var random = new Random(1);
        for (int i = 0; i < 300; i++)
            Observe(model, random.Next(0, 16), random.Next(0, 128), random.Next(0, 3) * 64, i);

        Assert.Equal(4 + (0.5 * 8) + (0.05 * 100), model.Inference(8, 100), 0.1);
        Assert.Equal(0.2, model.ForwardPerToken, 0.01);
        Assert.True(model.KnowsForward);
    }

    [Fact]
    public void It_follows_a_machine_that_slows_down()
    {
        var model = new LatencyModel();
        for (int i = 0; i < 300; i++)
            model.ObserveForward(4, 0, 0, 5);
        for (int i = 0; i < 1500; i++)
            model.ObserveForward(4, 0, 0, 50);

        Assert.Equal(50, model.Inference(4, 0), 0.5);
    }

    [Fact]
    public void One_pass_during_which_the_machine_slept_changes_little()
    {
        var model = new LatencyModel();
        for (int i = 0; i < 100; i++)
            model.ObserveForward(4, 0, 0, 5);
        model.ObserveForward(4, 0, 0, 5000);

        Assert.InRange(model.Inference(4, 0), 5, 5.5);
    }

    [Fact]
    public void The_first_passes_do_not_count()
    {
        var model = new LatencyModel();
        model.ObserveForward(1, 0, 0, 900);
        model.ObserveForward(1, 0, 0, 900);
        for (int i = 0; i < 5; i++)
            model.ObserveForward(1, 0, 0, 3);

        Assert.Equal(3, model.Inference(1, 0), 0.1);
    }

    [Fact]
    public void Backward_is_a_moving_average_per_token()
    {
        var model = new LatencyModel();
        Assert.False(model.KnowsBackward);
        for (int i = 0; i < 5; i++)
            model.ObserveBackward(64, 128);

        Assert.Equal(2, model.BackwardPerToken, 1e-9);
        Assert.True(model.KnowsBackward);
    }

    private static void Observe(LatencyModel model, int decode, int prompt, int forward, int i) =>
        model.ObserveForward(decode, prompt, forward, 4 + (0.5 * decode) + (0.05 * prompt) + (0.2 * forward) + (i % 2 == 0 ? 0.1 : -0.1));
}
