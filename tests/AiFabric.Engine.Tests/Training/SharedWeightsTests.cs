using AiFabric.Engine.Kernels;
using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Training.Gradients;
using AiFabric.Engine.Training.Planning;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

/// <summary>Jobs that train on the same weights by turns.</summary>
public sealed class SharedWeightsTests
{
    [Fact]
    public void On_8_bit_weights_a_job_has_the_gradients_that_it_has_alone_whatever_another_one_does_between_its_slices()
    {
        using var model = new RandomModel();
        using var folder = new TemporaryFolder();
        set_num_threads(1);
        using var weights = HostWeights.Load(model.Path, WeightFormat.Q8);
        using var dense = RestoredWeights.Load(model.Path, weights);
        using var forward = new WindowForward(dense);
        TrainingRecipe recipe = Recipes.Make(folder);

        float[] alone = Gradients(() => new Job(weights, forward, recipe), () => { });
        float[] beside = Gradients(() => new Job(weights, forward, recipe), () =>
        {
            using var other = new Job(weights, forward, recipe);
            for (int i = 0; i <= BackwardPass.StepsOfLayer; i++)
                other.Step(); // up to another layer than the first job's
        });
        Assert.True(alone.Max(Math.Abs) > 1e-4, "Gradients of nothing prove nothing.");
        Assert.Equal(alone, beside);
    }

    private static float[] Gradients(Func<Job> start, Action between)
    {
        using Job job = start();
        while (job.Step())
            between();
        return job.Gradients;
    }

    /// <summary>Backward of one sequence, a step at a time.</summary>
    private sealed class Job : IDisposable
    {
        private readonly RotaryTable rotary;
        private readonly SequenceMemory memory;
        private readonly TrainableAdapter adapter;
        private readonly BackwardPass pass;

        public Job(BaseWeights weights, WindowForward forward, TrainingRecipe recipe)
        {
            TrainingSample sample = GradientCheck.Sample(weights.Config.VocabularySize, tokens: 24, masked: false, seed: 1);
            rotary = new RotaryTable(weights.Config, weights.Type, weights.Device);
            memory = new SequenceMemory(weights, sample.Count);
            adapter = new TrainableAdapter(recipe, weights);
            pass = new BackwardPass(weights, rotary, memory, adapter);
            using var _ = no_grad();
            using var scope = NewDisposeScope();
            manual_seed(3);
            foreach (Tensor tensor in adapter.Masters)
                tensor.add_(0.1 * randn_like(tensor)); // B is zero at first, which would hide errors in A's gradients
            adapter.Publish();
            memory.ClearGradients();
            var window = new WindowSpan(0, sample.Count);
            memory.SaveInput(weights.Config.Layers, 0, forward.Run(new SequenceWindow(sample, window, adapter.Adapter, memory, keepInputs: true)));
            pass.Begin(sample, window, lossScale: 1.0 / sample.LossTokens);
        }

        public float[] Gradients => [.. adapter.Gradients.SelectMany(tensor => tensor.data<float>().ToArray())];

        /// <returns>False when it was the last.</returns>
        public bool Step()
        {
            _ = pass.Continue(int.MaxValue, 1);
            return pass.StepsLeft > 0;
        }

        public void Dispose()
        {
            pass.Dispose();
            adapter.Dispose();
            memory.Dispose();
            rotary.Dispose();
        }
    }
}
