using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Planning;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

public sealed class TrainingSessionTests(ITestOutputHelper output)
{
    [Fact]
    public void Training_lowers_the_held_out_loss_and_writes_a_loadable_adapter()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        using var harness = new SessionHarness(Recipes.Make(folder).WithCountingText() with { MaxSteps = 60, CheckpointIntervalSteps = 20 }, weights);
        TrainingProgress end = harness.RunToEnd();
        output.WriteLine($"{end}");
        Assert.Equal((TrainingState.Succeeded, 60, 60, 60), (end.State, end.Step, end.TotalSteps, end.CheckpointStep));
        Assert.True(end.EvalLoss < end.BaseEvalLoss - 0.3, $"Held-out loss went from {end.BaseEvalLoss} to {end.EvalLoss} only.");
        Assert.True(end.Loss < end.BaseEvalLoss - 0.3);
        Assert.Equal(60 * 4 * 32, end.Tokens);
        using PeftAdapter adapter = PeftFolder.Load(end.AdapterFolder ?? "", weights);
        Assert.Equal((8, 2.0, end.AdapterDigest), (adapter.Rank, ((LoraMethod)adapter.Method).Scale, adapter.Digest));
    }

    [Fact]
    public void Shuffled_labels_do_not_lower_the_held_out_loss()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        var recipe = Recipes.Make(folder).WithCountingText() with { MaxSteps = 60, CheckpointIntervalSteps = 60, ShuffleLabels = true };
        using var harness = new SessionHarness(recipe, weights);
        TrainingProgress end = harness.RunToEnd();
        output.WriteLine($"{end}");
        Assert.Equal(TrainingState.Succeeded, end.State);
        Assert.True(end.EvalLoss > end.BaseEvalLoss - 0.02, $"Held-out loss went from {end.BaseEvalLoss} to {end.EvalLoss}.");
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(3, false)]
    [InlineData(5, true)]
    public void A_resumed_job_ends_bit_for_bit_as_an_uninterrupted_one(int killedAtStep, bool midStep)
    {
        set_num_threads(1);
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        TrainingRecipe whole = Recipes.Make(folder).WithCountingText() with { WeightDecay = 0.01, WarmupSteps = 3 };
        using (var harness = new SessionHarness(whole, weights))
            Assert.Equal(TrainingState.Succeeded, harness.RunToEnd().State);

        TrainingRecipe cut = whole with { CheckpointFolder = folder.File("checkpoints2"), OutputFolder = folder.File("adapter2") };
        int checkpoint;
        using (var harness = new SessionHarness(cut, weights))
        {
            harness.RunUntil(progress => progress.Step == killedAtStep);
            long tokens = harness.Progress.Tokens;
            checkpoint = midStep ? harness.RunUntil(progress => progress.Tokens > tokens).CheckpointStep : harness.Progress.CheckpointStep;
        }

        Assert.InRange(killedAtStep - checkpoint, 0, cut.CheckpointIntervalSteps);
        using (var harness = new SessionHarness(cut, weights))
        {
            Assert.Equal(checkpoint, harness.RunUntil(progress => progress.TotalSteps > 0).Step);
            Assert.Equal(TrainingState.Succeeded, harness.RunToEnd().State);
        }

        Assert.Equal(
            File.ReadAllBytes(Path.Combine(whole.OutputFolder, PeftFolder.WeightsFile)),
            File.ReadAllBytes(Path.Combine(cut.OutputFolder, PeftFolder.WeightsFile)));
    }

    [Fact]
    public void Suspend_stops_after_the_step_with_a_checkpoint_and_resume_goes_on()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        var recipe = Recipes.Make(folder).WithCountingText() with { CheckpointIntervalSteps = 5 };
        using var harness = new SessionHarness(recipe, weights, suspended: true);
        Assert.Equal(0, harness.RunUntil(progress => progress.State == TrainingState.Suspended).Step);
        harness.Session.Resume();
        harness.RunUntil(progress => progress.Step == 2 && progress.Tokens > 2 * 4 * 32);
        harness.Session.Suspend();
        TrainingProgress paused = harness.RunUntil(progress => progress.State == TrainingState.Suspended);
        Assert.Equal((3, 3), (paused.Step, paused.CheckpointStep));
        Assert.Equal(TrainingPhase.Idle, harness.Session.Demand.Phase);
        harness.Session.Resume();
        Assert.Equal((TrainingState.Succeeded, 6), (harness.RunToEnd().State, harness.Progress.Step));
    }

    [Fact]
    public async Task Cancel_frees_every_tensor_and_leaves_the_checkpoints()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        using var harness = new SessionHarness(Recipes.Make(folder).WithCountingText(), weights);
        harness.RunUntil(progress => progress.CheckpointStep == 2);
        Task cancelled = harness.Session.CancelAsync();
        harness.RunUntil(progress => progress.State == TrainingState.Cancelled);
        await cancelled;
        Assert.Null(harness.Session.Run);
        Assert.True(Directory.Exists(folder.File("checkpoints/step-00000002")));
        harness.Session.RunBackward(new BackwardSlice(8, 8, 1)); // planned before the cancellation: harmless
    }

    [Fact]
    public async Task A_job_that_ended_asks_for_nothing_any_more_and_may_be_cancelled()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        using var harness = new SessionHarness(Recipes.Make(folder).WithCountingText(), weights);
        Assert.Equal(TrainingState.Succeeded, harness.RunToEnd().State);
        Assert.Equal(TrainingPhase.Over, harness.Session.Demand.Phase);
        await harness.Session.CancelAsync(); // though nobody asks it for work any more
        Assert.Equal(TrainingState.Succeeded, harness.Progress.State);
    }

    [Fact]
    public void The_number_of_tensors_returns_to_its_start()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.BFloat16);
        long before = LiveTensors.Settled();
        for (int i = 0; i < 2; i++) // the second goes on from the first's checkpoint
        {
            using var harness = new SessionHarness(Recipes.Make(folder).WithCountingText(), weights);
            Assert.Equal(TrainingState.Succeeded, harness.RunToEnd().State);
        }

        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void The_number_of_tensors_does_not_grow_from_step_to_step()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        using var harness = new SessionHarness(Recipes.Make(folder).WithCountingText() with { MaxSteps = 20, CheckpointIntervalSteps = 20 }, weights);
        harness.RunUntil(progress => progress.Step == 2);
        long early = Tensor.TotalCount;
        harness.RunUntil(progress => progress.Step == 15);
        Assert.Equal(early, Tensor.TotalCount);
    }

    [Fact]
    public void A_window_that_was_never_ended_runs_again()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        using var harness = new SessionHarness(Recipes.Make(folder).WithCountingText(), weights);
        harness.RunUntil(progress => progress.State == TrainingState.Running);
        TrainingWindow lost = harness.Session.BeginWindow(8);
        Assert.Null(lost.Adapter); // the base is evaluated first
        TrainingWindow again = harness.Session.BeginWindow(8);
        Assert.Equal((lost.Start, lost.Count), (again.Start, again.Count));
        Assert.Equal(TrainingState.Succeeded, harness.RunToEnd().State);
    }

    [Fact]
    public void A_loss_that_is_not_finite_fails_the_job_and_no_other()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        using var harness = new SessionHarness(Recipes.Make(folder).WithCountingText(), weights);
        harness.RunUntil(progress => progress.Step == 1);
        using (no_grad())
            harness.Session.Run?.Values[0].fill_(float.NaN);
        TrainingProgress end = harness.RunToEnd();
        Assert.Equal((TrainingState.Failed, TrainingErrorReasons.LossNotFinite, false), (end.State, end.Error?.Reason, end.Error?.Retryable));
        Assert.Contains("learning rate", end.Error?.Message);
        Assert.Equal(TrainingPhase.Over, harness.Session.Demand.Phase);
    }

    [Fact]
    public void A_bad_number_in_the_recipe_is_named()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        using var harness = new SessionHarness(Recipes.Make(folder).WithCountingText() with { SequenceLength = 5000 }, weights);
        TrainingProgress end = harness.RunToEnd();
        Assert.Equal(TrainingErrorReasons.InvalidHyperparameters, end.Error?.Reason);
        Assert.Contains("sequenceLength is 5000", end.Error?.Message);
    }

    [Fact]
    public void A_job_takes_the_memory_that_its_plan_says_and_one_that_does_not_fit_fails()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        TrainingRecipe recipe = Recipes.Make(folder).WithCountingText();
        long needed = new MemoryPlan(weights.Config, recipe.Method, elementBytes: 4, tokens: 32, window: 64).RecomputedBytes;
        var enough = new TrainingMemory(needed, window: 64);
        using (var harness = new SessionHarness(recipe, weights, memory: enough))
        {
            harness.RunUntil(progress => progress.Step == 1);
            Assert.Equal(needed, enough.LeasedBytes);
        }

        Assert.Equal(0, enough.LeasedBytes);
        using var refused = new SessionHarness(recipe, weights, memory: new TrainingMemory(needed - 1, window: 64));
        TrainingProgress end = refused.RunToEnd();
        Assert.Equal((TrainingState.Failed, TrainingErrorReasons.InsufficientMemory, false), (end.State, end.Error?.Reason, end.Error?.Retryable));
    }

    [Fact]
    public void A_job_that_cannot_be_set_up_gives_its_memory_back()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        var memory = new TrainingMemory(1_000_000_000, window: 64);
        TrainingRecipe recipe = Recipes.Make(folder).WithCountingText() with { Method = new FailingMethod { Rank = 8, Alpha = 16 } };
        using var harness = new SessionHarness(recipe, weights, memory: memory);
        TrainingProgress end = harness.RunToEnd();
        Assert.Equal((TrainingState.Failed, TrainingErrorReasons.InternalError), (end.State, end.Error?.Reason));
        Assert.Contains("no room for the adapter", end.Error?.Message);
        Assert.Equal(0, memory.LeasedBytes);
    }

    /// <summary>As if an allocation failed while the adapter is made.</summary>
    private sealed record FailingMethod : LoraMethod
    {
        internal override LinearPatch Patch(ReadOnlySpan<Tensor> values, Tensor? constant, Tensor? bias) =>
            throw new InvalidOperationException("no room for the adapter");
    }
}
