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
    private const int Looks = 5;
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

        AssertClose("conventional", plan.ConventionalBytes, () => measured.Whole(allWeights: true));
        AssertClose("pruned", plan.PrunedBytes, () => measured.Whole(allWeights: false));
        AssertClose("sequence", plan.SequenceBytes, () => measured.Recomputed(Window).Sequence);
        AssertClose("window", plan.WindowBytes, () => measured.Recomputed(Window).Window);
        Assert.True(plan.RecomputedBytes < plan.PrunedBytes && plan.PrunedBytes < plan.ConventionalBytes);
    }

    // The whole process is measured, in which the runtime's compiler takes and gives memory too: one clean look of a few is enough, and a wrong prediction has none.
    private void AssertClose(string what, long predicted, Func<long> measure)
    {
        double ratio = 0;
        for (int look = 0; look < Looks && Math.Abs(ratio - 1) > Tolerance; look++)
        {
            long measured = measure();
            ratio = (double)predicted / measured;
            output.WriteLine($"{what}: predicted {predicted:N0}, measured {measured:N0} bytes, {ratio:P1}");
        }
        Assert.InRange(ratio, 1 - Tolerance, 1 + Tolerance);
    }
}
