using AiFabric.Engine.Adapters;
using AiFabric.Engine.Execution;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Tests.LlamaCpp.Interop;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.LlamaCpp;

/// <summary>Every family in the engine and in llama.cpp, an independent implementation, with the same random float32 weights.</summary>
public sealed class FamilyComparisonTests(ITestOutputHelper output)
{
    private const double Tolerance = 2e-3;

    /// <summary>ggml looks GELU up in a table of half-precision numbers.</summary>
    private const double HalfGeluTolerance = 2e-2;
    private const int Tokens = 120;

    public static TheoryData<string> Families => FamilyModels.InLlamaCpp;

    [Theory]
    [MemberData(nameof(Families))]
    public void Every_logit_equals_llama_cpps(string family)
    {
        Assert.SkipUnless(LlamaCppLibraries.AreInstalled, $"llama.cpp is not in {LlamaCppLibraries.Folder}; tests/prepare.sh installs it.");
        using var temporary = new TemporaryFolder();
        using var model = FamilyModels.Create(family);
        using var weights = DecoderWeights.Load(model.Path, ScalarType.Float32, CPU);
        LlamaGguf.Write(model.Path, weights, temporary.File("model.gguf"));
        using var peer = new LlamaCppModel(temporary.File("model.gguf"), FamilyModels.Positions, weights.Config.VocabularySize);
        int[] text = model.Prompt(Tokens, 3);
        float[] expected = peer.Logits(text);

        bool gelu = weights.Config.Activation == Activation.GeluTanh;
        if (gelu)
            ExpectHalfGelu(model, text, expected);
        double tolerance = gelu ? HalfGeluTolerance : Tolerance;
        using (var engine = new EnginePass(weights))
            Expect("whole text in tensors", expected.Zip(engine.Logits(text)).Max(pair => Math.Abs(pair.First - pair.Second)), tolerance, expected);
        using (var tensors = new TorchPass(weights, SteppedLogits.Blocks, SteppedLogits.BlockSize, NoAdapter))
            Expect("stepped in tensors", SteppedLogits.Difference(SteppedLogits.Of(tensors, text), expected), tolerance, expected);
        using var host = HostWeights.Load(model.Path, WeightFormat.Float32);
        using var kernels = new KernelPass(host.Kernels, KernelSet.Best, 2, SteppedLogits.Blocks, SteppedLogits.BlockSize, NoAdapter);
        Expect("stepped in kernels", SteppedLogits.Difference(SteppedLogits.Of(kernels, text), expected), tolerance, expected);
    }

    private static PeftAdapter NoAdapter(long load) => throw new InvalidOperationException($"No adapter takes part, and {load} is asked for.");

    // With that table the formulas give llama.cpp's logits; without it FamilyPassTests hold the engine to the same formulas.
    private void ExpectHalfGelu(RandomModel model, int[] text, float[] expected)
    {
        using var reference = new Reference(model.Path, model.Config, halfGelu: true);
        using var scope = NewDisposeScope();
        float[] formulas = HostTensors.Floats(reference.Logits(text).to(ScalarType.Float32).contiguous()).ToArray();
        Expect("formulas with GELU in half precision", expected.Zip(formulas).Max(pair => Math.Abs(pair.First - pair.Second)), Tolerance, expected);
    }

    private void Expect(string pass, double difference, double tolerance, float[] expected)
    {
        output.WriteLine($"{pass}: largest difference {difference:E2} (largest logit {expected.Max(Math.Abs):F1})");
        Assert.InRange(difference, 0, tolerance);
    }
}
