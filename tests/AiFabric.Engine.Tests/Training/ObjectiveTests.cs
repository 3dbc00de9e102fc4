using System.Text.Json;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Training.Planning;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

/// <summary>Objectives, early stopping and accumulation in whole sessions.</summary>
public sealed class ObjectiveTests(ITestOutputHelper output)
{
    [Fact]
    public void The_gradient_of_a_preference_is_that_of_whole_sequences()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float64);
        TrainingRecipe recipe = Pairs(folder, 2) with { MaxSteps = 1, BatchSize = 2, EvalFraction = 0, MaxGradientNorm = 1e9, Method = new DoraMethod { Rank = 4, Alpha = 8 } };
        using var harness = new SessionHarness(recipe, weights);
        harness.RunUntil(_ => harness.Session.Run is not null);
        TrainingRun run = harness.Session.Run ?? throw new InvalidOperationException("No run.");
        Randomize(run);
        TrainingCorpus corpus = TrainingCorpus.Load(recipe, Recipes.Encoder, CancellationToken.None);

        using var scope = NewDisposeScope();
        Tensor[] leaves = [.. run.Values.Select(tensor => tensor.clone().requires_grad_())];
        AdapterSlot[] slots = [.. AdapterValues.Slots(recipe.Method, weights.Config)];
        Tensor loss = zeros(1, ScalarType.Float64).squeeze();
        for (int pair = 0; pair < 2; pair++)
        {
            Tensor margin = Gain(corpus.Train[2 * pair]) - Gain(corpus.Train[(2 * pair) + 1]);
            loss = loss - ((margin * 0.3).sigmoid().log() / 2);
        }

        IList<Tensor> expected = autograd.grad([loss], leaves);
        TrainingProgress end = harness.RunUntil(progress => progress.Step == 1, forwardTokens: 7, backwardTokens: 5);
        // Adam's first moment is a tenth of the first step's gradient.
        var state = run.Snapshot().Tensors;
        Tensor[] actual = [.. state.Where(tensor => tensor.Key.EndsWith(".moment1", StringComparison.Ordinal)).Select(tensor => tensor.Value * 10)];
        double largest = expected.Max(gradient => gradient.abs().max().item<double>());
        double difference = expected.Zip(actual, (e, g) => (e - g).abs().max().item<double>()).Max();
        foreach ((string _, Tensor tensor) in state)
            tensor.Dispose();
        output.WriteLine($"loss {end.Loss} of {loss.item<double>()}, largest gradient {largest:E2}, largest difference {difference:E2}");
        Assert.Equal(loss.item<double>(), end.Loss ?? 0, 1e-10);
        Assert.Equal(expected.Count, actual.Length);
        Assert.True(largest > 1e-4, $"Gradients of {largest} prove nothing.");
        Assert.InRange(difference, 0, 1e-10);

        // How much more likely the adapter makes a sequence.
        Tensor Gain(TrainingSample sample) => WholeSequence.Loss(weights, sample, (_, _, x, w, b) => PlainAdapter.Linear(recipe.Method, x, w, b, []))
            - WholeSequence.Loss(weights, sample, (layer, target, x, w, b) => PlainAdapter.Linear(
                recipe.Method, x, w, b, [.. leaves.Where((_, at) => slots[at].Layer == layer && slots[at].Target == target)]));
    }

    [Fact]
    public void Preferences_are_learned_and_a_job_of_them_ends_with_a_lower_held_out_loss()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        using var harness = new SessionHarness(Pairs(folder, 20) with { MaxSteps = 20, CheckpointIntervalSteps = 20 }, weights);
        TrainingProgress end = harness.RunToEnd();
        output.WriteLine($"{end}");
        Assert.Equal(TrainingState.Succeeded, end.State);
        Assert.Equal(Math.Log(2), end.BaseEvalLoss);
        Assert.True(end.EvalLoss < 0.5 * Math.Log(2), $"Not learned: {end.EvalLoss}");
    }

    [Fact]
    public void Two_batches_accumulated_are_one_of_twice_the_size()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        TrainingRecipe whole = Recipes.Make(folder).WithCountingText() with { BatchSize = 4, MaxSteps = 3 };
        TrainingRecipe halves = whole with
        {
            BatchSize = 2,
            GradientAccumulationSteps = 2,
            CheckpointFolder = folder.File("checkpoints2"),
            OutputFolder = folder.File("adapter2"),
        };
        foreach (TrainingRecipe recipe in (TrainingRecipe[])[whole, halves])
        {
            using var harness = new SessionHarness(recipe, weights);
            Assert.Equal(TrainingState.Succeeded, harness.RunToEnd().State);
        }

        Assert.Equal(File.ReadAllBytes(whole.OutputFolder + "/" + PeftFolder.WeightsFile), File.ReadAllBytes(halves.OutputFolder + "/" + PeftFolder.WeightsFile));
    }

    [Fact]
    public void A_job_that_gets_worse_stops_early_and_keeps_its_best_adapter()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float32);
        // The held-out texts are other than those learned: soon there is nothing more to gain.
        TrainingRecipe recipe = Recipes.Make(folder).WithCountingText(lines: 4) with
        {
            EvalPath = folder.File("eval.jsonl"),
            MaxSteps = 400,
            LearningRate = 2e-2,
            CheckpointIntervalSteps = 5,
            CheckpointRetain = 1,
            EarlyStopping = new EarlyStopping(Patience: 3),
        };
        File.WriteAllText(recipe.EvalPath!, JsonSerializer.Serialize(new { text = "AQBZCRDYEXFWGVHUITJSKR" }) + "\n"); // Set above.
        using var harness = new SessionHarness(recipe, weights);
        TrainingProgress end = harness.RunToEnd();
        output.WriteLine($"{end}");
        Assert.Equal(TrainingState.Succeeded, end.State);
        Assert.InRange(end.Step, 15, 395);

        // The adapter in the folder has the loss that was stated: evaluated once more by a job that goes on from nothing.
        string kept = Path.Combine(recipe.CheckpointFolder, $"step-{end.Step - 15:D8}");
        Assert.True(Directory.Exists(kept), "The best checkpoint is not there.");
        using AdapterValues best = PeftFolder.Read(recipe.OutputFolder, weights.Config, ScalarType.Float32, CPU);
        using var file = SafetensorsFile.Open(Path.Combine(kept, "state.safetensors"));
        foreach ((AdapterSlot slot, Tensor tensor) in AdapterValues.Slots(recipe.Method, weights.Config).Zip(best.Tensors))
        {
            using Tensor stored = file.Read(slot.Name, slot.Parameter.Shape, ScalarType.Float32);
            Assert.True(stored.Equals(tensor), slot.Name);
        }
    }

    [Fact]
    public void An_adapter_in_bfloat16_has_the_loss_that_its_job_stated()
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float64);
        TrainingRecipe recipe = Recipes.Make(folder).WithCountingText() with { AdapterType = AdapterType.BFloat16, MaxSteps = 10 };
        using var harness = new SessionHarness(recipe, weights);
        TrainingProgress end = harness.RunToEnd();
        using var file = SafetensorsFile.Open(Path.Combine(recipe.OutputFolder, PeftFolder.WeightsFile));
        Assert.All(file.Tensors.Values, tensor => Assert.Equal(ScalarType.BFloat16, tensor.Type));

        using PeftAdapter adapter = PeftFolder.Load(recipe.OutputFolder, weights);
        TrainingCorpus corpus = TrainingCorpus.Load(recipe, Recipes.Encoder, CancellationToken.None);
        using var scope = NewDisposeScope();
        double loss = corpus.HeldOut.Sum(sample => WholeSequence.Loss(weights, sample, (layer, target, x, w, b) =>
            adapter[layer, target] is { } patch ? patch.Apply(x, w, b) : PlainAdapter.Linear(recipe.Method, x, w, b, [])).item<double>());
        Assert.Equal(loss / corpus.HeldOut.Sum(sample => sample.LossTokens), end.EvalLoss ?? 0, 1e-9);
    }

    // After the same beginning an ascending run is preferred over a descending one.
    private static TrainingRecipe Pairs(TemporaryFolder folder, int pairs)
    {
        TrainingRecipe recipe = Recipes.Make(folder) with { Format = DatasetFormat.Preference, PreferenceBeta = 0.3 };
        File.WriteAllLines(recipe.DatasetPath, Enumerable.Range(0, pairs).Select(pair => JsonSerializer.Serialize(new
        {
            prompt = Run(pair, 1, 4),
            chosen = Run(pair + 4, 1, 7),
            rejected = Run(pair + 4, -1, 9),
        })));
        return recipe;

        static string Run(int start, int step, int count) =>
            new([.. Enumerable.Range(0, count).Select(i => (char)('@' + ((start + (i * step) + TinyModel.Vocabulary) % TinyModel.Vocabulary)))]);
    }

    private static void Randomize(TrainingRun run)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        manual_seed(3);
        foreach (Tensor tensor in run.Values)
            tensor.add_(0.1 * randn_like(tensor));
        run.Publish();
    }
}
