using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using Xunit;

namespace AiFabric.Tests.Scheduling;

public sealed class LatencyModelTests
{
    [Fact]
    public void It_learns_a_linear_machine_from_mixed_iterations()
    {
        var model = new LatencyModel();
        var random = new Random(1);
        for (int i = 0; i < 600; i++)
        {
            var batch = Batch(random.Next(0, 16), random.Next(0, 128), pairs: random.Next(0, 100_000));
            int window = random.Next(0, 3) * 64;
            Observe(model, batch, window, Machine.Forward(batch, window) + (i % 2 == 0 ? 0.1 : -0.1), 0);
        }

        Assert.Equal(Machine.Forward(Batch(8, 100, 40_000), 0), model.Inference(8, 100, 40_000), 0.2);
        Assert.Equal(Machine.PerWindowToken, model.PerWindowToken, 0.01);
        Assert.Equal(Machine.PerPair * 1000, model.PerPair * 1000, 0.01);
    }

    [Fact]
    public void It_learns_what_backward_costs_by_loss_layers_and_tokens()
    {
        var model = new LatencyModel();
        var random = new Random(1);
        for (int i = 0; i < 600; i++)
        {
            var slice = new BackwardSlice(random.Next(16, 128), random.Next(0, 64), random.Next(0, 12));
            Observe(model, Batch(0, 0, 0, slice), 0, 0, Machine.Backward(slice) + (i % 2 == 0 ? 0.1 : -0.1));
        }

        Assert.Equal(Machine.Backward(new(100, 0, 3)), model.Backward(new(100, 0, 3), 100), 1.0);
        Assert.Equal(Machine.Backward(new(100, 50, 0)), model.Backward(new(100, 50, 0), 100), 1.0);
        Assert.Equal(Machine.PerLossToken, model.Loss(41) - model.Loss(40), 0.01);
    }

    [Fact]
    public void It_follows_a_machine_that_slows_down()
    {
        var model = new LatencyModel();
        for (int i = 0; i < 300; i++)
            Observe(model, Batch(4, 0, 0), 0, 5, 0);
        for (int i = 0; i < 1500; i++)
            Observe(model, Batch(4, 0, 0), 0, 50, 0);

        Assert.Equal(50, model.Inference(4, 0, 0), 0.5);
    }

    [Fact]
    public void One_pass_during_which_the_machine_slept_changes_little()
    {
        var model = new LatencyModel();
        for (int i = 0; i < 100; i++)
            Observe(model, Batch(4, 0, 0), 0, 5, 0);
        Observe(model, Batch(4, 0, 0), 0, 5000, 0);

        Assert.InRange(model.Inference(4, 0, 0), 5, 5.5);
    }

    [Fact]
    public void The_first_passes_do_not_count()
    {
        var model = new LatencyModel();
        Observe(model, Batch(1, 0, 0), 0, 900, 0);
        Observe(model, Batch(1, 0, 0), 0, 900, 0);
        for (int i = 0; i < 5; i++)
            Observe(model, Batch(1, 0, 0), 0, 3, 0);

        Assert.Equal(3, model.Inference(1, 0, 0), 0.1);
    }

    [Theory]
    [InlineData(0, 1.0, 1.03)]   // a machine that keeps to the line needs no margin
    [InlineData(0.5, 1.3, 1.55)] // errors of up to half, evenly: nine in ten are below 1.4
    public void The_margin_is_what_its_own_errors_ask_for(double noise, double least, double most)
    {
        var model = new LatencyModel();
        var random = new Random(3);
        for (int i = 0; i < 5_000; i++)
            Observe(model, Batch(4, 0, 0), 0, 10 * (1 + (noise * ((2 * random.NextDouble()) - 1))), 0);

        Assert.InRange(model.Margin, least, most);
    }

    [Fact]
    public void What_a_pass_and_a_slice_gain_from_running_together_is_a_margin_below_one()
    {
        var model = new LatencyModel();
        var slice = new BackwardSlice(64, 0, 2);
        for (int i = 0; i < 200; i++)
        {
            var batch = Batch(4, 0, 0, slice);
            Observe(model, batch, 0, Machine.Forward(batch, 0), Machine.Backward(slice));
        }
        for (int i = 0; i < 1_000; i++)
        {
            var batch = Batch(4, 0, 0, slice);
            var together = TimeSpan.FromMilliseconds(0.7 * (Machine.Forward(batch, 0) + Machine.Backward(slice)));
            model.Observe(batch, new BatchOutcome { ForwardTime = together, IsTogether = true });
        }

        Assert.InRange(model.MarginBeside, 0.7, 0.75);
        Assert.Equal(Machine.Forward(Batch(4, 0, 0), 0), model.Inference(4, 0, 0), 0.2);
        Assert.Equal(Machine.Backward(slice), model.Backward(slice, 64), 0.5);
    }

    [Fact]
    public void Windows_and_slices_grow_no_further_than_twice_what_was_seen()
    {
        var model = new LatencyModel();
        Assert.Equal((16, 16), (model.MostWindow, model.MostSlice));
        for (int i = 0; i < 6; i++)
            Observe(model, Batch(1, 0, 0, new BackwardSlice(16, 0, 2)), 16, 5, 5);

        Assert.Equal((32, 64), (model.MostWindow, model.MostSlice));
    }

    [Fact]
    public void A_kept_profile_predicts_as_the_model_did()
    {
        var model = new LatencyModel();
        var random = new Random(5);
        Assert.Null(model.Snapshot());
        for (int i = 0; i < 300; i++)
        {
            var slice = new BackwardSlice(random.Next(16, 128), random.Next(0, 64), random.Next(0, 12));
            var batch = Batch(random.Next(0, 16), random.Next(0, 128), random.Next(0, 10_000), slice);
            int window = random.Next(16, 64);
            Observe(model, batch, window, Machine.Forward(batch, window), Machine.Backward(slice));
        }
        var kept = model.Snapshot();

        var next = new LatencyModel();
        next.Restore(kept!); // It saw enough.

        Assert.Equal(model.Inference(7, 33, 1_000), next.Inference(7, 33, 1_000));
        Assert.Equal(model.Backward(new(64, 16, 4), 200), next.Backward(new(64, 16, 4), 200));
        Assert.Equal((model.MostWindow, model.MostSlice), (next.MostWindow, next.MostSlice));
        Assert.Throws<ArgumentException>(() => next.Restore(kept! with { Forward = [1, 2] }));
        Assert.Throws<ArgumentException>(() => next.Restore(kept! with { Backward = [1, 2, 3, 4, 5, double.NaN] }));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(9, 100)]
    [InlineData(50, 0)]
    [InlineData(50, 2_000)]
    public void The_tokens_that_fit_are_the_most_that_do(double milliseconds, int start)
    {
        var model = new LatencyModel();
        var random = new Random(1);
        for (int i = 0; i < 600; i++)
        {
            var batch = Batch(random.Next(0, 16), random.Next(0, 128), random.Next(0, 100_000));
            Observe(model, batch, i % 64, Machine.Forward(batch, i % 64), 0);
        }

        int tokens = model.WindowTokens(milliseconds, start);

        Assert.True(model.Window(Math.Max(0, tokens - 1), start) <= milliseconds);
        Assert.True(model.Window(tokens + 2, start) > milliseconds);
    }

    private static void Observe(LatencyModel model, Batch batch, int window, double forward, double backward) => model.Observe(batch, new BatchOutcome
    {
        TrainingForwardTokens = window,
        ForwardTime = TimeSpan.FromMilliseconds(forward),
        BackwardTime = TimeSpan.FromMilliseconds(backward),
    });

    private static Batch Batch(int decode, int prompt, double pairs, BackwardSlice slice = default)
    {
        var batch = new Batch { PromptTokens = prompt, Pairs = pairs, Backward = slice, TrainingPosition = slice.Tokens };
        for (int i = 0; i < decode; i++)
            batch.DecodeRows.Add(default);
        return batch;
    }

    private static class Machine
    {
        public const double PerWindowToken = 0.2, PerPair = 0.0002, PerLossToken = 0.4;

        public static double Forward(Batch batch, int window) =>
            4 + (0.5 * batch.DecodeTokens) + (0.05 * batch.PromptTokens) + (PerWindowToken * window)
            + (PerPair * (batch.Pairs + LatencyModel.Pairs(batch.TrainingPosition, window)));

        public static double Backward(BackwardSlice slice) => 1 + (slice.LossTokens > 0 ? 5 : 0) + (PerLossToken * slice.LossTokens) + (slice.Layers * (2 + (0.1 * slice.Tokens)));
    }
}
