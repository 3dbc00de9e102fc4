using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Checkpoints;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

public sealed class CheckpointTests
{
    [Fact]
    public void Only_the_newest_checkpoints_are_kept()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        using var harness = new SessionHarness(Recipes.Make(folder).WithCountingText() with { CheckpointIntervalSteps = 1 }, weights);
        harness.RunToEnd();
        Assert.Equal(["step-00000005", "step-00000006"], Directory.GetDirectories(folder.File("checkpoints")).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void A_truncated_checkpoint_is_skipped_with_a_log_line()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        var recipe = Recipes.Make(folder).WithCountingText();
        using (var harness = new SessionHarness(recipe, weights))
            harness.RunUntil(progress => progress.CheckpointStep == 4);
        Truncate(folder.File("checkpoints/step-00000004/state.safetensors"));
        Directory.CreateDirectory(folder.File("checkpoints/.tmp-step-00000006-left-by-a-kill"));
        var log = new RecordingLog();
        using (var harness = new SessionHarness(recipe, weights, log: log))
            Assert.Equal(2, harness.RunUntil(progress => progress.TotalSteps > 0).Step);
        Assert.Contains(log.Lines, line => line.Contains("step-00000004 is damaged", StringComparison.Ordinal));
        Assert.False(Directory.Exists(folder.File("checkpoints/.tmp-step-00000006-left-by-a-kill")));
    }

    [Fact]
    public void When_every_checkpoint_is_damaged_the_job_fails_instead_of_starting_over()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        var recipe = Recipes.Make(folder).WithCountingText() with { CheckpointRetain = 1 };
        using (var harness = new SessionHarness(recipe, weights))
            harness.RunUntil(progress => progress.CheckpointStep == 2);
        File.WriteAllText(folder.File("checkpoints/step-00000002/manifest.json"), "{\"version\":");
        using var resumed = new SessionHarness(recipe, weights);
        TrainingProgress end = resumed.RunToEnd();
        Assert.Equal((TrainingErrorReasons.CheckpointUnreadable, false), (end.Error?.Reason, end.Error?.Retryable));
    }

    [Theory]
    [InlineData("manifest.json")]
    [InlineData("state.safetensors")]
    public void A_checkpoint_that_the_disk_does_not_give_now_is_worth_another_try_and_no_older_one_is_taken(string file)
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        var recipe = Recipes.Make(folder).WithCountingText();
        using (var harness = new SessionHarness(recipe, weights))
            harness.RunUntil(progress => progress.CheckpointStep == 4);
        string path = folder.File($"checkpoints/step-00000004/{file}");
        File.Move(path, path + ".kept");
        File.CreateSymbolicLink(path, "/proc/self/mem"); // The kernel's own EIO.
        using (var harness = new SessionHarness(recipe, weights))
        {
            TrainingProgress failed = harness.RunToEnd();
            Assert.Equal((TrainingErrorReasons.StorageUnavailable, true), (failed.Error?.Reason, failed.Error?.Retryable));
        }

        File.Move(path + ".kept", path, overwrite: true);
        using (var harness = new SessionHarness(recipe, weights))
            Assert.Equal(4, harness.RunUntil(progress => progress.TotalSteps > 0).Step);
    }

    [Fact]
    public void A_checkpoint_of_another_recipe_is_refused()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        var recipe = Recipes.Make(folder).WithCountingText();
        using (var harness = new SessionHarness(recipe, weights))
            harness.RunUntil(progress => progress.CheckpointStep == 2);
        using var other = new SessionHarness(recipe with { LearningRate = 1e-4 }, weights);
        TrainingProgress end = other.RunToEnd();
        Assert.Equal(TrainingErrorReasons.CheckpointUnreadable, end.Error?.Reason);
        Assert.Contains("another recipe", end.Error?.Message);
    }

    [Fact]
    public void A_full_disk_is_retryable_and_loses_no_step()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        bool full = false;
        WriteTensors write = (path, tensors) =>
        {
            if (full)
                File.WriteAllBytes("/dev/full", new byte[1 << 16]); // the kernel's own ENOSPC
            SafetensorsWriter.Write(path, tensors);
        };
        using var harness = new SessionHarness(Recipes.Make(folder).WithCountingText(), weights, write: write);
        harness.RunUntil(progress => progress.CheckpointStep == 2);
        full = true;
        TrainingProgress failed = harness.RunUntil(progress => progress.State == TrainingState.Failed);
        Assert.Equal((TrainingErrorReasons.StorageFull, true, 4, 2), (failed.Error?.Reason, failed.Error?.Retryable, failed.Step, failed.CheckpointStep));
        Assert.Equal(["step-00000002"], Directory.GetDirectories(folder.File("checkpoints")).Select(Path.GetFileName));
        full = false;
        harness.Session.Resume();
        TrainingProgress end = harness.RunToEnd();
        Assert.Equal((TrainingState.Succeeded, 6, 6), (end.State, end.Step, end.CheckpointStep));
        Assert.Equal(6 * 4 * 32, end.Tokens); // none was repeated
    }

    private static void Truncate(string path)
    {
        using FileStream file = File.OpenWrite(path);
        file.SetLength(file.Length / 2);
    }
}
