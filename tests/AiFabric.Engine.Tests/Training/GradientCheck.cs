using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Training.Gradients;
using AiFabric.Engine.Training.Planning;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

/// <summary>Gradients of an adapter in windows beside those of whole sequences by autograd, in Float64.</summary>
/// <param name="weights">The model.</param>
/// <param name="recipe">Gives method and seed.</param>
/// <param name="samples">One batch.</param>
internal sealed class GradientCheck(DecoderWeights weights, TrainingRecipe recipe, TrainingSample[] samples)
{
    private readonly double scale = 1.0 / samples.Sum(sample => sample.LossTokens);

    /// <summary>How many of the tokens left, at most so many, the next window takes.</summary>
    public delegate int Cut(bool backward, int left);

    /// <summary>What runs a forward window: [n, hidden] before the final norm.</summary>
    public Func<TrainingWindow, Tensor>? Forward { get; init; }

    /// <returns>Largest gradient, largest difference between the two ways, and the difference of their losses.</returns>
    public (double Largest, double Difference, double LossDifference) Run(Cut cut)
    {
        using var scope = NewDisposeScope();
        using var adapter = new TrainableAdapter(recipe, weights);
        using (no_grad())
        {
            manual_seed(3);
            foreach (Tensor tensor in adapter.Masters)
                tensor.add_(0.1 * randn_like(tensor)); // B is zero at first, which would hide errors in A's gradients
        }

        adapter.Publish();
        (Tensor[] expected, double expectedLoss) = Whole(adapter);
        double loss = Windowed(adapter, cut);
        double difference = expected.Zip(adapter.Gradients, (e, g) => (e - g).abs().max().item<double>()).Max();
        return (expected.Max(gradient => gradient.abs().max().item<double>()), difference, Math.Abs(loss - expectedLoss));
    }

    private DropoutMasks? Masks(int sample) =>
        recipe.Method.Dropout == 0 ? null : new DropoutMasks(weights.Config, recipe.Method.Dropout, recipe.Seed, step: 4, sample);

    private (Tensor[] Gradients, double Loss) Whole(TrainableAdapter adapter)
    {
        Tensor[] leaves = [.. adapter.Masters.Select(tensor => tensor.clone().detach().requires_grad_())];
        AdapterSlot[] slots = [.. AdapterValues.Slots(recipe.Method, weights.Config)];
        Tensor loss = zeros(1, ScalarType.Float64).squeeze();
        for (int i = 0; i < samples.Length; i++)
        {
            DropoutMasks? masks = Masks(i);
            int count = samples[i].Count;
            loss = loss + (scale * WholeSequence.Loss(weights, samples[i], (layer, target, x, weight, bias) => PlainAdapter.Linear(
                recipe.Method, x, weight, bias, [.. leaves.Where((_, at) => slots[at].Layer == layer && slots[at].Target == target)],
                masks?.Mask(layer, target, 0, count, ScalarType.Float64, CPU))));
        }

        IList<Tensor> gradients = autograd.grad([loss], leaves);
        return ([.. gradients], loss.item<double>());
    }

    private double Windowed(TrainableAdapter adapter, Cut cut)
    {
        using var rotary = new RotaryTable(weights.Config, weights.Type, weights.Device);
        using var memory = new SequenceMemory(weights, samples.Max(sample => sample.Count));
        using var alone = new WindowForward(weights);
        using var pass = new BackwardPass(weights, rotary, memory, adapter);
        var slices = new SeededRandom(7, 1);
        double loss = 0;
        for (int i = 0; i < samples.Length; i++)
        {
            TrainingSample sample = samples[i];
            memory.ClearGradients();
            for (int start = 0, count; start < sample.Count; start += count)
            {
                count = cut(false, sample.Count - start);
                var window = new SequenceWindow(sample, new WindowSpan(start, count), adapter.Adapter, memory, true, Masks(i));
                memory.SaveInput(weights.Config.Layers, start, (Forward ?? alone.Run)(window));
            }

            using var engineThread = no_grad(); // as on the engine's thread
            for (int end = sample.Count, count; end > 0; end -= count)
            {
                count = cut(true, end);
                pass.Begin(sample, new WindowSpan(end - count, count), scale, Masks(i));
                while (pass.StepsLeft > 0) // slices that end anywhere, even before the first layer
                    loss += pass.Continue(1 + slices.NextInt(count), slices.NextInt((BackwardPass.StepsOfLayer * weights.Config.Layers) + 1));
            }
        }

        return loss;
    }

    public static TrainingSample Sample(int vocabulary, int tokens, bool masked, int seed)
    {
        var random = new SeededRandom(seed, 99);
        int[] ids = [.. Enumerable.Range(0, tokens + 1).Select(_ => random.NextInt(vocabulary))];
        // A mask with a long unlearned prompt, a gap, and a learned end.
        bool[] learned = [.. Enumerable.Range(0, tokens + 1).Select(i => !masked || (i > tokens / 2 && i % 7 != 0) || i == tokens)];
        return TrainingSample.From(ids, learned) ?? throw new InvalidOperationException("Nothing learned.");
    }
}
