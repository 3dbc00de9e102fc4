using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Training.Planning;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

/// <summary>What <see cref="MemoryPlan"/> says beside what the process holds.</summary>
public sealed class MemoryPlanTests(ITestOutputHelper output)
{
    private const double Tolerance = 0.05;
    private const int Tokens = 512;
    private const int Window = 128;

    private static readonly DecoderConfig Grouped = TinyModel.Config with
    {
        HiddenSize = 256,
        IntermediateSize = 688,
        Layers = 3,
        Heads = 8,
        KeyValueHeads = 2,
        HeadSize = 32,
        VocabularySize = 1024,
        MaximumPositions = 1024,
    };

    public static TheoryData<string, int, double> Cases =>
        [.. RandomAdapter.MethodNames.Select(name => (name, 2, 0.0)), ("LoRA", 8, 0.0), ("LoRA on some", 8, 0.0), ("LoRA", 2, 0.1), ("DoRA", 2, 0.1)];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Predicted_memory_is_the_measured_one(string name, int keyHeads, double dropout)
    {
        using var folder = new TemporaryFolder();
        DecoderConfig config = Grouped with { KeyValueHeads = keyHeads };
        using var weights = TinyModel.Load(folder, ScalarType.Float32, config);
        PeftMethod method = RandomAdapter.Methods[name] is LoraMethod lora ? lora with { Dropout = dropout } : RandomAdapter.Methods[name];
        using var measured = new MeasuredMemory(weights, Recipes.Make(folder) with { Method = method }, Tokens);
        var plan = new MemoryPlan(config, method, elementBytes: 4, Tokens, Window);

        AssertClose("conventional", plan.ConventionalBytes, measured.Whole(allWeights: true));
        AssertClose("pruned", plan.PrunedBytes, measured.Whole(allWeights: false));
        (long sequence, long window) = measured.Recomputed(Window);
        AssertClose("sequence", plan.SequenceBytes, sequence);
        AssertClose("window", plan.WindowBytes, window);
        Assert.True(plan.RecomputedBytes < plan.PrunedBytes && plan.PrunedBytes < plan.ConventionalBytes);
    }

    private void AssertClose(string what, long predicted, long measured)
    {
        output.WriteLine($"{what}: predicted {predicted:N0}, measured {measured:N0} bytes, {(double)predicted / measured:P1}");
        Assert.InRange((double)predicted / measured, 1 - Tolerance, 1 + Tolerance);
    }
}
