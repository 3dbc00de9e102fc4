using AiFabric.Engine.Training.Planning;
using Xunit;

namespace AiFabric.Tests.Training;

public sealed class TrainingCursorTests
{
    [Fact]
    public void A_job_runs_base_evaluation_then_steps_then_checkpoints_and_evaluations()
    {
        // Two training samples of 5 and 3 tokens in batches of two, one held out of 4; windows of at most 3 tokens.
        var cursor = new TrainingCursor(Plan(samples: 2, batchSize: 2, epochs: 2), [5, 3], [4], checkpointInterval: 2, step: 0, baseEvaluated: false);
        string first = cursor.Batch.Count == 0 ? string.Empty : throw new InvalidOperationException("No step may begin before the base is evaluated.");
        List<string> trace = Run(cursor, 3);
        Assert.Equal(["EvaluateBase 0+3", "EvaluateBase 3+1"], trace[..2]);
        Assert.Equal(["Checkpoint", "EvaluateAdapter 0+3", "EvaluateAdapter 3+1"], trace[^3..]);
        Assert.Equal(2, cursor.Step);
        Assert.Equal(TrainingActivity.Finished, cursor.Activity);
        Assert.Empty(first);
        // Both samples went forward upwards and backward downwards, in each of the two steps.
        Assert.Equal(2, trace.Count(line => line == "Forward 3+2"));
        Assert.Equal(2, trace.Count(line => line == "Backward 2+3"));
        Assert.Equal(2, trace.Count(line => line == "Backward 0+2"));
    }

    [Theory]
    [InlineData(1, new[] { "Forward 0+1", "Forward 1+1", "Forward 2+1", "Backward 2+1", "Backward 1+1", "Backward 0+1" })]
    [InlineData(2, new[] { "Forward 0+2", "Forward 2+1", "Backward 1+2", "Backward 0+1" })]
    [InlineData(3, new[] { "Forward 0+3", "Backward 0+3" })]
    [InlineData(99, new[] { "Forward 0+3", "Backward 0+3" })]
    public void Backward_windows_run_last_to_first(int windowTokens, string[] expected)
    {
        var cursor = new TrainingCursor(Plan(samples: 1), [3], [], checkpointInterval: 1, step: 0, baseEvaluated: false);
        Assert.Equal([.. expected, "Checkpoint"], Run(cursor, windowTokens));
    }

    [Theory]
    [InlineData(0, 10, 3, new[] { 3, 6, 9, 10 })]
    [InlineData(6, 10, 3, new[] { 9, 10 })]
    [InlineData(0, 2, 5, new[] { 2 })]
    [InlineData(0, 4, 1, new[] { 1, 2, 3, 4 })]
    [InlineData(10, 10, 3, new int[0])]
    public void Checkpoints_come_every_interval_and_after_the_last_step(int from, int steps, int interval, int[] expected)
    {
        var cursor = new TrainingCursor(Plan(samples: 1, epochs: steps), [2], [], interval, from, baseEvaluated: true);
        var at = new List<int>();
        Run(cursor, 2, checkpoint: () => at.Add(cursor.Step));
        Assert.Equal(expected, at);
    }

    [Theory]
    [InlineData(0, false, "EvaluateBase")]
    [InlineData(0, true, "Forward")]
    [InlineData(2, true, "EvaluateAdapter")]
    [InlineData(4, true, "EvaluateAdapter")]
    public void A_job_begins_where_its_checkpoint_left_it(int step, bool baseEvaluated, string activity)
    {
        var cursor = new TrainingCursor(Plan(samples: 1, epochs: 4), [2], [2], 1, step, baseEvaluated);
        Assert.Equal(activity, cursor.Activity.ToString());
    }

    [Fact]
    public void Milestones_tell_the_end_of_a_sample_from_the_end_of_a_batch()
    {
        var cursor = new TrainingCursor(Plan(samples: 2, batchSize: 2), [1, 1], [1, 1], 1, 0, baseEvaluated: false);
        var milestones = new List<TrainingMilestone>();
        while (cursor.Activity is not TrainingActivity.Checkpoint)
            milestones.Add(cursor.Advance(cursor.Next(1)));
        Assert.Equal(
            [
                TrainingMilestone.Sample, TrainingMilestone.Round, // two held-out samples
                TrainingMilestone.None, TrainingMilestone.Sample, // forward, backward of the first
                TrainingMilestone.None, TrainingMilestone.Round,
            ],
            milestones);
    }

    [Fact]
    public void A_checkpoint_can_be_asked_for_between_two_steps_only()
    {
        var cursor = new TrainingCursor(Plan(samples: 1, epochs: 3), [4], [4], checkpointInterval: 9, step: 0, baseEvaluated: true);
        Assert.True(cursor.AtStepBoundary);
        cursor.RequestCheckpoint();
        cursor.CheckpointSaved();
        Assert.Equal(TrainingActivity.Forward, cursor.Activity); // no evaluation was due
        cursor.Advance(cursor.Next(2));
        Assert.False(cursor.AtStepBoundary);
        Assert.Throws<InvalidOperationException>(cursor.RequestCheckpoint);
    }

    [Fact]
    public void A_window_out_of_turn_is_refused()
    {
        var cursor = new TrainingCursor(Plan(samples: 1), [8], [], 1, 0, baseEvaluated: true);
        Assert.Throws<InvalidOperationException>(() => cursor.Advance(new WindowSpan(4, 4)));
        Assert.Throws<InvalidOperationException>(() => cursor.Advance(new WindowSpan(0, 9)));
        Assert.Throws<InvalidOperationException>(() => cursor.Advance(new WindowSpan(0, 0)));
        Assert.Throws<InvalidOperationException>(cursor.CheckpointSaved);
    }

    private static TrainingPlan Plan(int samples, int batchSize = 1, int epochs = 1) => new(samples, batchSize, epochs, null, 0);

    private static List<string> Run(TrainingCursor cursor, int windowTokens, Action? checkpoint = null)
    {
        var trace = new List<string>();
        while (cursor.Activity != TrainingActivity.Finished)
        {
            if (cursor.Activity == TrainingActivity.Checkpoint)
            {
                trace.Add("Checkpoint");
                checkpoint?.Invoke();
                cursor.CheckpointSaved();
                continue;
            }

            WindowSpan window = cursor.Next(windowTokens);
            trace.Add($"{cursor.Activity} {window.Start}+{window.Count}");
            cursor.Advance(window);
        }

        return trace;
    }
}
