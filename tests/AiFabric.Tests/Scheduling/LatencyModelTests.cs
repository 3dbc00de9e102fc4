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
        Assert.Equal(Machine.PerPair * 1000, model.PerPair() * 1000, 0.01);
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

        Assert.Equal(Machine.Backward(new(100, 0, 3)), model.Backward().Of(new(100, 0, 3), 100), 1.0);
        Assert.Equal(Machine.Backward(new(100, 50, 0)), model.Backward().Of(new(100, 50, 0), 100), 1.0);
        Assert.Equal(Machine.PerLossToken, model.Backward().Loss(41) - model.Backward().Loss(40), 0.01);
    }

    [Fact]
    public void A_loss_that_always_comes_with_layers_is_still_told_from_them()
    {
        var model = new LatencyModel();
        var random = new Random(1);
        for (int i = 0; i < 200; i++)
        {
            // As an idle hour has them: all losses of a window and as many steps as fill the rest.
            int tokens = random.Next(80, 120);
            var slice = new BackwardSlice(tokens, tokens, random.Next(8, 12));
            Observe(model, Batch(0, 0, 0, slice), 0, 0, Machine.Backward(slice));
        }

        Assert.Equal(Machine.Backward(new(100, 100, 0)), model.Backward().Loss(100), 0.5);
        Assert.Equal(Machine.Backward(new(100, 0, 1)), model.Backward().Step(100, 100), 0.5);
    }

    [Fact]
    public void Noise_of_decoding_is_not_taken_for_the_cost_of_attention()
    {
        var model = new LatencyModel();
        var random = new Random(1);
        for (int i = 0; i < 100; i++)
            Observe(model, Batch(4, 0, 400), 64, Machine.Forward(Batch(4, 0, 400), 64), 0);
        // Few pairs, and times that go up and down by a third.
        for (int i = 0; i < 2_000; i++)
        {
            var batch = Batch(random.Next(1, 6), 0, random.Next(50, 600));
            Observe(model, batch, 0, Machine.Forward(batch, 0) * (0.67 + (0.66 * random.NextDouble())), 0);
        }

        Assert.InRange(model.Window(64, 400), 0, 1.5 * ((64 * Machine.PerWindowToken) + (Machine.PerPair * LatencyModel.Pairs(400, 64))));
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
    [InlineData(0, 1.0, 1.03)]     // a machine that keeps to the line needs no margin
    [InlineData(0.5, 1.3, 1.5)]  // errors of up to half, evenly: nine of ten stay within 1.4
    public void The_margin_is_what_its_own_errors_ask_for(double noise, double least, double most)
    {
        var model = new LatencyModel();
        var random = new Random(3);
        for (int i = 0; i < 5_000; i++)
            Observe(model, Batch(4, 0, 0), 0, 10 * (1 + (noise * ((2 * random.NextDouble()) - 1))), 0);

        Assert.InRange(model.Margin, least, most);
    }

    [Fact]
    public void What_runs_beside_something_is_learned_apart_from_what_runs_alone()
    {
        var model = new LatencyModel();
        var random = new Random(1);
        for (int i = 0; i < 300; i++)
        {
            var slice = new BackwardSlice(random.Next(16, 128), random.Next(0, 64), random.Next(1, 4));
            Observe(model, Batch(random.Next(1, 8), 0, 0), 0, Machine.Forward(Batch(4, 0, 0), 0), 0);
            Observe(model, Batch(random.Next(1, 8), 0, 0, slice), 0, 0, Machine.Backward(slice));
        }
        double before = model.Backward(beside: true).Of(new(64, 32, 2), 64);
        for (int i = 0; i < 300; i++)
        {
            var slice = new BackwardSlice(random.Next(16, 128), random.Next(0, 64), random.Next(1, 4));
            var batch = Batch(random.Next(1, 8), 0, 0, slice);
            batch.IsBeside = true;
            Observe(model, batch, 0, 1.8 * Machine.Forward(batch, 0), 1.4 * Machine.Backward(slice));
        }

        var probe = new BackwardSlice(64, 32, 2);
        Assert.Equal(1.5 * Machine.Backward(probe), before, 1.0); // What is believed of half of the threads until something else is seen.
        Assert.Equal(Machine.Backward(probe), model.Backward().Of(probe, 64), 0.5);
        Assert.Equal(1.4 * Machine.Backward(probe), model.Backward(beside: true).Of(probe, 64), 0.5);
        Assert.Equal(1.8 * Machine.Forward(Batch(4, 0, 0), 0), model.Inference(4, 0, 0, beside: true), 0.5);
    }

    [Fact]
    public void Windows_of_one_size_say_what_smaller_ones_cost_at_most()
    {
        var model = new LatencyModel();
        for (int i = 0; i < 20; i++)
            Observe(model, Batch(2, 0, 0), 0, Machine.Forward(Batch(2, 0, 0), 0), 0);
        for (int i = 0; i < 50; i++) // As idle hours have them: whole sequences.
            Observe(model, Batch(0, 0, 0), 512, Machine.Forward(Batch(0, 0, 0), 512), 0);

        Assert.InRange(model.InferenceOfWindow(2, 0, 0) + model.Window(32, 0), Machine.Forward(Batch(2, 0, 0), 0), 2 * Machine.Forward(Batch(2, 0, 0), 32));
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
        Assert.Equal(model.Backward().Of(new(64, 16, 4), 200), next.Backward().Of(new(64, 16, 4), 200));
        Assert.Equal((model.MostWindow, model.MostSlice), (next.MostWindow, next.MostSlice));
        Assert.Throws<ArgumentException>(() => next.Restore(kept! with { Forward = [1, 2] }));
        Assert.Throws<ArgumentException>(() => next.Restore(kept! with { Backward = [1, 2, 3, 4, double.NaN] }));
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

    private static void Observe(LatencyModel model, Batch batch, int window, double forward, double backward)
    {
        batch.TrainingForwardTokens = window;
        double all = Machine.Backward(batch.Backward), loss = all > 0 ? backward * Machine.Backward(batch.Backward with { Steps = 0 }) / all : 0;
        var times = new SliceTimes(batch.Backward.LossTokens, TimeSpan.FromMilliseconds(loss), batch.Backward.Steps, TimeSpan.FromMilliseconds(backward - loss));
        model.Observe(batch, new BatchOutcome
        {
            TrainingForwardTokens = window,
            ForwardTime = TimeSpan.FromMilliseconds(forward),
            Alone = batch.IsBeside ? default : times,
            Beside = batch.IsBeside ? times : default,
            IsTogether = batch.IsBeside,
        });
    }

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

        public static double Backward(BackwardSlice slice) => (slice.LossTokens > 0 ? 5 : 0) + (PerLossToken * slice.LossTokens) + (slice.Steps * (2 + (0.1 * slice.Tokens)));
    }
}
