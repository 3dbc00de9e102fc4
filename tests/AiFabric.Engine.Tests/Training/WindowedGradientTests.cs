using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Training.Data;
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

    public static TheoryData<string, double, bool> EveryMethod =>
        [.. RandomAdapter.MethodNames.SelectMany(name => new (string, double, bool)[] { (name, 0, false), (name, 0, true), (name, 0.25, false), (name, 0.25, true) })
            .Where(row => row.Item2 == 0 || RandomAdapter.Methods[row.Item1] is LoraMethod)];

    /// <summary>Cuts are drawn at random; beside inference each window rides in a batch of decode rows and a prompt chunk with another adapter.</summary>
    [Theory]
    [MemberData(nameof(EveryMethod))]
    public void Windowed_gradients_of_every_method_equal_those_of_the_whole_sequence(string name, double dropout, bool besideInference)
    {
        set_num_threads(1);
        using var folder = new TemporaryFolder();
        using var model = FamilyModels.Create("llama with biases");
        using var weights = DecoderWeights.Load(model.Path, ScalarType.Float64, CPU);
        var method = RandomAdapter.Methods[name];
        var recipe = Recipes.Make(folder) with { Method = method is LoraMethod lora ? lora with { Dropout = dropout } : method };
        using var company = besideInference ? new SharedIteration(model, weights) : null;
        for (int seed = 0; seed < 2; seed++)
        {
            var random = new Random(seed);
            TrainingSample[] samples = [GradientCheck.Sample(300, random.Next(20, 60), masked: seed % 2 == 0, seed), GradientCheck.Sample(300, 17, false, seed + 9)];
            var check = new GradientCheck(weights, recipe, samples) { Forward = company is null ? null : company.Run };
            AssertEqual($"{name}, dropout {dropout}, seed {seed}", check.Run((_, left) => random.Next(1, left + 1)));
        }
    }

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
        var recipe = Recipes.Make(folder) with { Method = new LoraMethod { Rank = 4, Alpha = 8, Targets = targets } };
        TrainingSample[] samples = [.. Enumerable.Range(0, sequences).Select(i => GradientCheck.Sample(weights.Config.VocabularySize, tokens - (i * 13), masked, i))];
        var result = new GradientCheck(weights, recipe, samples).Run((isBackward, left) => Math.Min(isBackward ? backward : forward, left));
        AssertEqual($"forward {forward}, backward {backward}, {tokens} tokens", result);
    }

    private void AssertEqual(string what, (double Largest, double Difference, double LossDifference) result)
    {
        output.WriteLine($"{what}: largest gradient {result.Largest:E2}, largest difference {result.Difference:E2}, loss difference {result.LossDifference:E2}");
        Assert.True(result.Largest > 1e-4, $"Gradients of {result.Largest} prove nothing.");
        Assert.InRange(result.Difference, 0, 1e-10);
        Assert.InRange(result.LossDifference, 0, 1e-10);
    }
}
