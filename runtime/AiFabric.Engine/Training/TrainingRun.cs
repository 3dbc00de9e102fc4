using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Models;
using AiFabric.Engine.Training.Checkpoints;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Training.Gradients;
using AiFabric.Engine.Training.Objectives;
using AiFabric.Engine.Training.Planning;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training;

/// <summary>The tensors of a job and what its cursor makes of them. Made on any thread, then used on the engine's alone.</summary>
internal sealed class TrainingRun : IDisposable
{
    private readonly TrainingRecipe recipe;
    private readonly TrainingCorpus corpus;
    private readonly BaseWeights weights;
    private readonly RotaryTable rotary;
    private readonly Stack<IDisposable> owned = new(); // what was made last goes first
    private readonly SequenceMemory memory;
    private readonly TrainableAdapter adapter;
    private readonly AdamW optimizer;
    private readonly BackwardPass backward;
    private readonly TrainingObjective objective;
    private readonly LossAccount losses;
    private readonly string[] names;
    private readonly string recipeHash;
    private SequenceWindow? open;

    /// <param name="recipe">Validated.</param>
    /// <param name="corpus">Its data.</param>
    /// <param name="weights">The base model; not owned.</param>
    /// <param name="store">Where a checkpoint to go on from may lie.</param>
    /// <param name="activations">Where its activations are taken from.</param>
    /// <exception cref="TrainingException">InsufficientMemory or CheckpointUnreadable.</exception>
    public TrainingRun(TrainingRecipe recipe, TrainingCorpus corpus, BaseWeights weights, CheckpointStore store, TrainingMemory activations)
    {
        (this.recipe, this.corpus, this.weights) = (recipe, corpus, weights);
        Plan = new TrainingPlan(
            corpus.Train.Count / corpus.Sides, recipe.BatchSize * recipe.GradientAccumulationSteps, recipe.Epochs, recipe.MaxSteps, recipe.Seed);
        recipeHash = recipe.Hash(weights.Digest, corpus.Digest, Plan.TotalSteps);
        objective = recipe.Objective();
        losses = new LossAccount(objective, corpus.Sides);
        int longest = corpus.Train.Concat(corpus.HeldOut).Max(sample => sample.Count);
        var plan = new MemoryPlan(weights.Config, recipe.Method, TensorTypes.Describe(weights.Type).Bytes, longest, activations.Window);
        try
        {
            owned.Push(activations.Take(plan.RecomputedBytes, longest));
            rotary = Own(new RotaryTable(weights.Config, weights.Type, weights.Device));
            memory = Own(new SequenceMemory(weights, longest));
            adapter = Own(new TrainableAdapter(recipe, weights));
            names = [.. adapter.Names];
            optimizer = Own(new AdamW(recipe, adapter.Masters, adapter.Gradients));
            backward = Own(new BackwardPass(weights, rotary, memory, adapter));
            CheckpointManifest? checkpoint = store.LoadNewest(recipeHash, Restore);
            (Tokens, Loss, Best) = (checkpoint?.Tokens ?? 0, checkpoint?.Loss, checkpoint?.Best);
            BaseEvalLoss = checkpoint?.BaseEvalLoss ?? (corpus.HeldOut.Count > 0 ? objective.KnownBaseLoss : null);
            Cursor = new TrainingCursor(
                Plan, [.. corpus.Train.Select(sample => sample.Count)], [.. corpus.HeldOut.Select(sample => sample.Count)],
                recipe.CheckpointIntervalSteps, checkpoint?.Step ?? 0, BaseEvalLoss is not null, objective.Program);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public TrainingPlan Plan { get; }

    public TrainingCursor Cursor { get; }

    public long Tokens { get; private set; }

    /// <summary>Mean training loss of the last step.</summary>
    public double? Loss { get; private set; }

    public double? EvalLoss { get; private set; }

    public double? BaseEvalLoss { get; private set; }

    /// <summary>The best evaluation; null before the first, and without early stopping.</summary>
    public BestEvaluation? Best { get; private set; }

    /// <summary>Gradients of the running batch so far, in the order of the adapter's tensors.</summary>
    internal IReadOnlyList<Tensor> Gradients => adapter.Gradients;

    /// <summary>The adapter's values, in the order of its tensors.</summary>
    internal IReadOnlyList<Tensor> Values => adapter.Masters;

    public DecoderConfig Config => weights.Config;

    // Nothing is dropped when held-out data are evaluated.
    private DropoutMasks? Dropout => recipe.Method.Dropout == 0 || Cursor.Evaluating
        ? null
        : new DropoutMasks(weights.Config, recipe.Method.Dropout, recipe.Seed, Cursor.Step, Cursor.Sample);

    private TrainingSample Sample => (Cursor.Evaluating ? corpus.HeldOut : corpus.Train)[Cursor.Sample];

    /// <summary>Opens a forward window. One that was never ended is forgotten: its tokens run again.</summary>
    public SequenceWindow BeginWindow(int maxTokens)
    {
        if (Cursor.Activity is not (TrainingActivity.Forward or TrainingActivity.EvaluateBase or TrainingActivity.EvaluateAdapter))
            throw new InvalidOperationException($"No forward window is due in {Cursor.Activity}.");
        WindowSpan span = Cursor.Next(maxTokens);
        if (span.Start == 0 && Cursor.OnFirstPass)
            objective.Begin();
        PeftAdapter? rows = Cursor.Pass.Kind == TrainingPassKind.Reference ? null : adapter.Adapter;
        return open = new SequenceWindow(Sample, span, rows, memory, keepInputs: Cursor.Pass.Kind == TrainingPassKind.Learn, Dropout);
    }

    /// <exception cref="TrainingException">LossNotFinite, of an evaluation.</exception>
    public void EndWindow(TrainingWindow window, Tensor finalHidden)
    {
        if (open is null || !ReferenceEquals(open, window))
            throw new InvalidOperationException("The window is not the open one.");
        open = null;
        var span = new WindowSpan(window.Start, window.Count);
        if (objective.Hears(Cursor.Pass))
            Hear(span, finalHidden);
        if (Cursor.Evaluating)
        {
            EndEvaluationWindow(span);
            return;
        }

        if (Cursor.Pass.Kind == TrainingPassKind.Learn)
            memory.SaveInput(weights.Config.Layers, span.Start, finalHidden);
        _ = Cursor.Advance(span);
        if (Cursor.Activity == TrainingActivity.Backward)
            memory.ClearGradients();
    }

    /// <summary>The work that comes next. Only while the cursor is in a phase of windows.</summary>
    public TrainingDemand Demand => Cursor.Activity == TrainingActivity.Backward
        ? new TrainingDemand(TrainingPhase.Backward, Cursor.TokensLeft)
        {
            Position = Cursor.TokensLeft,
            Steps = BackwardPass.StepsOfLayer * weights.Config.Layers,
            OpenTokens = backward.StepsLeft > 0 ? backward.Window.Count : 0,
            LossLeft = backward.LossLeft,
            StepsLeft = backward.StepsLeft,
        }
        : new TrainingDemand(TrainingPhase.Forward, Cursor.TokensLeft) { Position = Cursor.Next(1).Start };

    /// <summary>One slice of backward; after the batch's last also the optimizer step.</summary>
    /// <returns>Tokens that went backward through all layers.</returns>
    /// <exception cref="TrainingException">LossNotFinite; the adapter keeps its values.</exception>
    public int RunBackward(BackwardSlice slice, Action? between)
    {
        if (Cursor.Activity != TrainingActivity.Backward)
            throw new InvalidOperationException($"No backward slice is due in {Cursor.Activity}.");
        if (backward.StepsLeft == 0)
        {
            double scale = objective.Factor(Cursor.Pass) / losses.Weight(corpus.Train, Cursor.Batch);
            backward.Begin(Sample, Cursor.Next(slice.Tokens), scale, Dropout);
        }

        double loss = backward.Continue(slice.LossTokens, slice.Steps, between);
        if (objective.HearsBackward)
            objective.Hear(Cursor.Pass, loss / backward.Scale);
        if (backward.StepsLeft > 0)
            return 0;
        WindowSpan span = backward.Window;
        Tokens += span.Count;
        if (span.Start == 0 && Cursor.OnLastPassOfExample)
            losses.EndExample();
        if (span.Start == 0 && Cursor.OnLastPass)
            OptimizerStep();
        _ = Cursor.Advance(span);
        return span.Count;
    }

    /// <summary>Copies of everything a resumed job needs, for writing from another thread. The caller disposes the tensors.</summary>
    public (CheckpointManifest Manifest, List<KeyValuePair<string, Tensor>> Tensors) Snapshot()
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var tensors = new List<KeyValuePair<string, Tensor>>();
        for (int i = 0; i < adapter.Masters.Length; i++)
        {
            foreach ((string suffix, Tensor tensor) in Parts(i))
            {
                tensors.Add(new(names[i] + suffix, tensor.cpu().clone().DetachFromDisposeScope()));
            }
        }

        var manifest = new CheckpointManifest
        {
            Version = 1,
            Recipe = recipeHash,
            Step = Cursor.Step,
            Tokens = Tokens,
            Seed = recipe.Seed,
            Loss = Loss,
            BaseEvalLoss = BaseEvalLoss,
            Best = Best,
        };
        return (manifest, tensors);
    }

    /// <summary>A copy of the adapter, for writing from another thread. The caller disposes it.</summary>
    public AdapterValues SnapshotAdapter() => adapter.Snapshot();

    /// <summary>Hands changed <see cref="Values"/> to the forward passes.</summary>
    internal void Publish() => adapter.Publish();

    /// <summary>The adapter of a checkpoint, in the same form.</summary>
    public static AdapterValues ReadAdapter(SafetensorsFile file, PeftMethod method, DecoderConfig config) =>
        AdapterValues.Make(method, config, slot => file.Read(slot.Name, slot.Parameter.Shape, ScalarType.Float32));

    public void Dispose()
    {
        while (owned.TryPop(out IDisposable? last))
            last.Dispose();
    }

    private T Own<T>(T made)
        where T : IDisposable
    {
        owned.Push(made);
        return made;
    }

    private (string Suffix, Tensor Tensor)[] Parts(int index) =>
        [(string.Empty, adapter.Masters[index]), (".moment1", optimizer.FirstMoments[index]), (".moment2", optimizer.SecondMoments[index])];

    private void Restore(SafetensorsFile file)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        for (int i = 0; i < adapter.Masters.Length; i++)
        {
            foreach ((string suffix, Tensor tensor) in Parts(i))
                tensor.copy_(file.Read(names[i] + suffix, tensor.shape));
        }

        adapter.Publish();
    }

    private void Hear(WindowSpan span, Tensor finalHidden)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        // A pass may compute wider than the weights are; what is learned goes to memory of their type.
        if (TrainingLoss.Sum(weights, finalHidden.to(weights.Type), Sample, span.Start) is { } sum)
            objective.Hear(Cursor.Pass, sum.to(ScalarType.Float64).item<double>());
    }

    private void EndEvaluationWindow(WindowSpan span)
    {
        if (span.Count == Cursor.TokensLeft && Cursor.OnLastPassOfExample)
            losses.EndExample();
        TrainingActivity activity = Cursor.Activity;
        if (Cursor.Advance(span) != TrainingMilestone.Round)
            return;
        double loss = Finite("held-out loss", losses.Take(corpus.HeldOut, Enumerable.Range(0, corpus.HeldOut.Count / corpus.Sides)));
        if (activity == TrainingActivity.EvaluateBase)
            BaseEvalLoss = loss;
        else
            Evaluated(loss);
    }

    private void Evaluated(double loss)
    {
        EvalLoss = loss;
        // A suspended job evaluates when it goes on, at steps that count for nothing.
        bool counts = Cursor.Step % recipe.CheckpointIntervalSteps == 0 || Cursor.Step == Plan.TotalSteps;
        if (recipe.EarlyStopping is not { } stopping || !counts)
            return;
        Best = BestEvaluation.After(Best, Cursor.Step, loss, stopping.MinDelta);
        if (Best.Stale >= stopping.Patience)
            Cursor.Stop();
        if (Cursor.Activity == TrainingActivity.Finished)
            EvalLoss = Best.Loss; // of the adapter that is kept
    }

    private void OptimizerStep()
    {
        double loss = Finite("training loss", losses.Take(corpus.Train, Cursor.Batch));
        double norm = Finite("norm of the gradients", optimizer.GradientNorm());
        optimizer.Step(Cursor.Step + 1, LearningRate.At(recipe, Cursor.Step + 1, Plan.TotalSteps), norm);
        adapter.Publish();
        Loss = loss;
    }

    private double Finite(string what, double value) => double.IsFinite(value) ? value : throw NotFinite(what, value);

    private TrainingException NotFinite(string what, double value) => new(
        TrainingErrorReasons.LossNotFinite,
        $"The {what} of step {Cursor.Step + 1} is {value}. Lower the learning rate, add warm-up steps, or check the data.");
}
