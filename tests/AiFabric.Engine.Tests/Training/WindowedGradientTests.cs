using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Training.Gradients;
using AiFabric.Engine.Training.Planning;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

public sealed class WindowedGradientTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(32, 16, 96, false, 1)]
    [InlineData(32, 32, 96, false, 1)]
    [InlineData(1, 1, 24, false, 1)]
    [InlineData(96, 96, 96, false, 1)]
    [InlineData(16, 64, 96, true, 1)]
    [InlineData(30, 17, 95, true, 1)] // uneven last windows
    [InlineData(32, 16, 90, true, 2)] // two sequences in one batch
    [InlineData(7, 5, 61, false, 2)]
    public void Windowed_gradients_equal_those_of_the_whole_sequence(int forward, int backward, int tokens, bool masked, int sequences)
    {
        AssertEqualGradients(forward, backward, tokens, masked, sequences, []);
    }

    [Theory]
    [InlineData(LoraTarget.Query)]
    [InlineData(LoraTarget.Key)]
    [InlineData(LoraTarget.Value)]
    [InlineData(LoraTarget.Down)]
    public void Windowed_gradients_are_right_for_a_single_target_too(LoraTarget target) => AssertEqualGradients(16, 8, 40, false, 1, [target]);

    [Theory]
    [MemberData(nameof(FamilyModels.All), MemberType = typeof(FamilyModels))]
    public void Windowed_gradients_equal_those_of_the_whole_sequence_in_every_family(string family)
    {
        using var model = FamilyModels.Create(family);
        using var weights = DecoderWeights.Load(model.Path, ScalarType.Float64, CPU);
        AssertEqualGradients(weights, forward: 16, backward: 11, tokens: 60, masked: true, sequences: 1, []);
    }

    private void AssertEqualGradients(int forward, int backward, int tokens, bool masked, int sequences, LoraTarget[] targets)
    {
        using var folder = new TemporaryFolder();
        using var weights = TinyModel.Load(folder, ScalarType.Float64);
        AssertEqualGradients(weights, forward, backward, tokens, masked, sequences, targets);
    }

    private void AssertEqualGradients(DecoderWeights weights, int forward, int backward, int tokens, bool masked, int sequences, LoraTarget[] targets)
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        var recipe = Recipes.Make(folder) with { Rank = 4, Alpha = 8, Targets = targets };
        using var adapter = new TrainableAdapter(recipe, weights);
        using (no_grad())
        {
            manual_seed(3);
            foreach (Tensor tensor in adapter.Masters)
                tensor.copy_(0.1 * randn_like(tensor)); // B is zero at first, which would hide errors in A's gradients
        }

        TrainingSample[] samples = [.. Enumerable.Range(0, sequences).Select(i => Sample(weights.Config.VocabularySize, tokens - (i * 13), masked, i))];
        double scale = 1.0 / samples.Sum(sample => sample.LossTokens);
        (Tensor[] expected, double expectedLoss) = Reference(weights, adapter, samples, scale);
        double loss = Windowed(weights, adapter, samples, scale, forward, backward);

        double difference = expected.Zip(adapter.Gradients, (e, g) => (e - g).abs().max().item<double>()).Max();
        double largest = expected.Max(gradient => gradient.abs().max().item<double>());
        output.WriteLine($"forward {forward}, backward {backward}, {tokens} tokens: largest gradient {largest:E2}, largest difference {difference:E2}, loss difference {Math.Abs(loss - expectedLoss):E2}");
        Assert.True(largest > 1e-4, $"Gradients of {largest} prove nothing.");
        Assert.InRange(difference, 0, 1e-10);
        Assert.InRange(Math.Abs(loss - expectedLoss), 0, 1e-10);
    }

    private static (Tensor[] Gradients, double Loss) Reference(DecoderWeights weights, TrainableAdapter adapter, TrainingSample[] samples, double scale)
    {
        Tensor[] leaves = [.. adapter.Masters.Select(tensor => tensor.clone().detach().requires_grad_())];
        var place = new Dictionary<(int, LoraTarget), (Tensor, Tensor)>();
        int next = 0;
        for (int layer = 0; layer < weights.Config.Layers; layer++)
        {
            foreach (LoraTarget target in LoraTargets.All)
            {
                if (adapter.Adapter[layer, target] is not null)
                    place.Add((layer, target), (leaves[next++], leaves[next++]));
            }
        }

        Tensor loss = zeros(1, ScalarType.Float64).squeeze();
        foreach (TrainingSample sample in samples)
            loss = loss + (WholeSequence.Loss(weights, sample, (layer, target) => place.TryGetValue((layer, target), out var pair) ? pair : null, adapter.Adapter.Scale) * scale);
        IList<Tensor> gradients = autograd.grad([loss], leaves);
        return ([.. gradients], loss.item<double>());
    }

    private static double Windowed(
        DecoderWeights weights, TrainableAdapter adapter, TrainingSample[] samples, double scale, int forward, int backward)
    {
        using var rotary = new RotaryTable(weights.Config, weights.Type, weights.Device);
        using var memory = new SequenceMemory(weights, samples.Max(sample => sample.Count));
        using var engine = new WindowForward(weights);
        using var pass = new BackwardPass(weights, rotary, memory, adapter);
        var cuts = new SeededRandom(7, 1);
        double loss = 0;
        foreach (TrainingSample sample in samples)
        {
            memory.ClearGradients();
            for (int start = 0; start < sample.Count; start += forward)
            {
                var window = new SequenceWindow(sample, new WindowSpan(start, Math.Min(forward, sample.Count - start)), adapter.Adapter, memory, true);
                memory.SaveInput(weights.Config.Layers, start, engine.Run(window));
            }

            using var engineThread = no_grad(); // as on the engine's thread
            for (int end = sample.Count; end > 0; end -= backward)
            {
                int start = Math.Max(0, end - backward);
                pass.Begin(sample, new WindowSpan(start, end - start), scale);
                while (pass.LayersLeft > 0) // Slices end anywhere.
                    loss += pass.Continue(1 + cuts.NextInt(end - start), cuts.NextInt(weights.Config.Layers + 1));
            }
        }

        return loss;
    }

    private static TrainingSample Sample(int vocabulary, int tokens, bool masked, int seed)
    {
        var random = new SeededRandom(seed, 99);
        int[] ids = [.. Enumerable.Range(0, tokens + 1).Select(_ => random.NextInt(vocabulary))];
        // A mask with a long unlearned prompt, a gap, and a learned end.
        bool[] learned = [.. Enumerable.Range(0, tokens + 1).Select(i => !masked || (i > tokens / 2 && i % 7 != 0) || i == tokens)];
        return TrainingSample.From(ids, learned) ?? throw new InvalidOperationException("Nothing learned.");
    }
}
