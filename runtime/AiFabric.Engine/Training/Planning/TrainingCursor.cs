namespace AiFabric.Engine.Training.Planning;

/// <summary>What a job is doing.</summary>
public enum TrainingActivity
{
    /// <summary>Forward windows over a held-out sample, without adapter.</summary>
    EvaluateBase,

    /// <summary>Forward windows over a training sample.</summary>
    Forward,

    /// <summary>Backward windows over the same sample, last to first.</summary>
    Backward,

    /// <summary>A checkpoint is due; nothing else runs until it is on disk.</summary>
    Checkpoint,

    /// <summary>Forward windows over a held-out sample, with the adapter.</summary>
    EvaluateAdapter,

    /// <summary>Every step is done.</summary>
    Finished,
}

/// <summary>Consecutive tokens of a sample.</summary>
/// <param name="Start">Position of the first.</param>
/// <param name="Count">How many; 0 for none.</param>
public readonly record struct WindowSpan(int Start, int Count);

/// <summary>What a finished window completed.</summary>
public enum TrainingMilestone
{
    None,

    /// <summary>The last window of a sample.</summary>
    Sample,

    /// <summary>The last window of the last sample: of a batch, whose optimizer step is due, or of an evaluation.</summary>
    Round,
}

/// <summary>
/// Where a job stands: which window comes next and what follows it. Pure: no tensor, clock or I/O; the training session carries out what it says.
/// </summary>
/// <remarks>
/// base evaluation → (per step: per example of the batch: forward windows, backward windows of each pass) → every few steps and after the last:
/// checkpoint, evaluation → finished. A resumed job evaluates its adapter first. The passes of an example are its <see cref="TrainingProgram"/>'s.
/// </remarks>
public sealed class TrainingCursor
{
    private readonly TrainingPlan plan;
    private readonly IReadOnlyList<int> trainTokens;
    private readonly IReadOnlyList<int> heldOutTokens;
    private readonly int checkpointInterval;
    private readonly TrainingProgram program;
    private int[] batch = [];
    private int sample; // an example of the batch, or of those held out
    private int pass;
    private int position;
    private bool evaluationDue;

    /// <param name="plan">Batches of every step.</param>
    /// <param name="trainTokens">Positions of each training sequence, at least 1; the sequences of an example one after the other.</param>
    /// <param name="heldOutTokens">Positions of each held-out sequence; empty for no evaluation.</param>
    /// <param name="checkpointInterval">Steps between two checkpoints.</param>
    /// <param name="step">Steps already done.</param>
    /// <param name="baseEvaluated">Whether the base's held-out loss is already known.</param>
    /// <param name="program">Passes of an example; null for supervised learning's.</param>
    public TrainingCursor(
        TrainingPlan plan, IReadOnlyList<int> trainTokens, IReadOnlyList<int> heldOutTokens, int checkpointInterval, int step, bool baseEvaluated,
        TrainingProgram? program = null)
    {
        this.program = program ?? TrainingProgram.Supervised;
        (this.plan, this.trainTokens, this.heldOutTokens, this.checkpointInterval) = (plan, trainTokens, heldOutTokens, checkpointInterval);
        Step = step;
        evaluationDue = step > 0 && heldOutTokens.Count > 0;
        if (heldOutTokens.Count > 0 && !baseEvaluated && this.program.EvaluateBase.Count > 0)
            Begin(TrainingActivity.EvaluateBase, 0);
        else
            AfterCheckpoint();
    }

    public TrainingActivity Activity { get; private set; }

    /// <summary>Optimizer steps done.</summary>
    public int Step { get; private set; }

    /// <summary>Index of the running sequence, in the held-out list while evaluating, else in the training list.</summary>
    public int Sample => ((Evaluating ? sample : batch[sample]) * program.Sides) + Pass.Side;

    /// <summary>The running pass.</summary>
    public TrainingPass Pass => Passes[pass];

    /// <summary>Whether the running pass is the first of its example.</summary>
    public bool OnFirstPass => pass == 0;

    /// <summary>Whether the running pass is the last of its example.</summary>
    public bool OnLastPassOfExample => pass == Passes.Count - 1;

    /// <summary>Whether, beside that, the example is the last of its batch or evaluation.</summary>
    public bool OnLastPass => OnLastPassOfExample && sample == (Evaluating ? heldOutTokens.Count / program.Sides : batch.Length) - 1;

    /// <summary>Examples of the running step.</summary>
    public IReadOnlyList<int> Batch => batch;

    public bool Evaluating => Activity is TrainingActivity.EvaluateBase or TrainingActivity.EvaluateAdapter;

    /// <summary>Whether no sample of the next step was begun: a checkpoint made now loses nothing.</summary>
    public bool AtStepBoundary => Activity == TrainingActivity.Forward && sample == 0 && pass == 0 && position == 0;

    /// <summary>Tokens left in this phase of the running sample.</summary>
    public int TokensLeft => Activity switch
    {
        TrainingActivity.Backward => position,
        TrainingActivity.Forward => trainTokens[Sample] - position,
        TrainingActivity.EvaluateBase or TrainingActivity.EvaluateAdapter => heldOutTokens[Sample] - position,
        _ => 0,
    };

    /// <summary>The next window: upwards from the start in forward, downwards from the end in backward. Does not advance.</summary>
    public WindowSpan Next(int maxTokens)
    {
        int count = Math.Min(maxTokens, TokensLeft);
        return Activity == TrainingActivity.Backward ? new WindowSpan(position - count, count) : new WindowSpan(position, count);
    }

    /// <summary>Moves past a window that <see cref="Next"/> gave.</summary>
    /// <returns>What it completed. After a batch's <see cref="TrainingMilestone.Round"/> the step counts as done.</returns>
    public TrainingMilestone Advance(WindowSpan window)
    {
        if (window.Count < 1 || window != Next(window.Count))
            throw new InvalidOperationException($"The window at {window.Start} of {window.Count} tokens is not next in {Activity} at {position}.");
        position += Activity == TrainingActivity.Backward ? -window.Count : window.Count;
        if (TokensLeft > 0)
            return TrainingMilestone.None;
        return Activity switch
        {
            TrainingActivity.Forward when Pass.Kind == TrainingPassKind.Learn => BeginBackward(),
            _ when pass + 1 < Passes.Count => NextPass(),
            TrainingActivity.Backward => NextTrainingSample(),
            _ => NextHeldOutSample(),
        };
    }

    /// <summary>Asks for a checkpoint between two steps, outside the interval.</summary>
    /// <exception cref="InvalidOperationException">A step is under way.</exception>
    public void RequestCheckpoint()
    {
        if (!AtStepBoundary)
            throw new InvalidOperationException($"A checkpoint can be made only between two steps, not in {Activity} of sample {sample} at {position}.");
        Activity = TrainingActivity.Checkpoint;
    }

    /// <summary>The checkpoint is on disk.</summary>
    public void CheckpointSaved()
    {
        if (Activity != TrainingActivity.Checkpoint)
            throw new InvalidOperationException($"No checkpoint is due in {Activity}.");
        AfterCheckpoint();
    }

    /// <summary>Ends the job although steps are left. Between an evaluation and the next step only.</summary>
    /// <exception cref="InvalidOperationException">A step is under way.</exception>
    public void Stop()
    {
        if (!AtStepBoundary && Activity != TrainingActivity.Finished)
            throw new InvalidOperationException($"A job can stop only between two steps, not in {Activity} of example {sample} at {position}.");
        Activity = TrainingActivity.Finished;
    }

    private IReadOnlyList<TrainingPass> Passes => Activity switch
    {
        TrainingActivity.EvaluateBase => program.EvaluateBase,
        TrainingActivity.EvaluateAdapter => program.Evaluate,
        _ => program.Train,
    };

    private TrainingMilestone NextPass()
    {
        Begin(Evaluating ? Activity : TrainingActivity.Forward, sample, pass + 1);
        return TrainingMilestone.None;
    }

    private TrainingMilestone BeginBackward()
    {
        Activity = TrainingActivity.Backward; // position stays: backward starts where forward ended
        return TrainingMilestone.None;
    }

    private TrainingMilestone NextTrainingSample()
    {
        if (sample + 1 < batch.Length)
        {
            Begin(TrainingActivity.Forward, sample + 1);
            return TrainingMilestone.Sample;
        }

        Step++;
        if (Step == plan.TotalSteps || Step % checkpointInterval == 0)
        {
            evaluationDue = heldOutTokens.Count > 0;
            Activity = TrainingActivity.Checkpoint;
        }
        else
        {
            BeginStep();
        }

        return TrainingMilestone.Round;
    }

    private TrainingMilestone NextHeldOutSample()
    {
        if (sample + 1 < heldOutTokens.Count / program.Sides)
        {
            Begin(Activity, sample + 1);
            return TrainingMilestone.Sample;
        }

        if (Activity == TrainingActivity.EvaluateAdapter)
            evaluationDue = false;
        AfterCheckpoint();
        return TrainingMilestone.Round;
    }

    private void AfterCheckpoint()
    {
        if (evaluationDue)
            Begin(TrainingActivity.EvaluateAdapter, 0);
        else
            BeginStep();
    }

    private void BeginStep()
    {
        if (Step >= plan.TotalSteps)
        {
            Activity = TrainingActivity.Finished;
            return;
        }

        batch = plan.BatchAt(Step);
        Begin(TrainingActivity.Forward, 0);
    }

    private void Begin(TrainingActivity activity, int index, int next = 0) => (Activity, sample, pass, position) = (activity, index, next, 0);
}
