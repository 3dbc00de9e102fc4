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

        if (weights.Config.Activation == Activation.GeluTanh)
            expected = WithoutTable(model, text, expected);
        using (var engine = new EnginePass(weights))
            Expect("whole text in tensors", Difference(engine.Logits(text), expected), expected);
        using (var tensors = new TorchPass(weights, SteppedLogits.Blocks, SteppedLogits.BlockSize, NoAdapter))
            Expect("stepped in tensors", SteppedLogits.Difference(SteppedLogits.Of(tensors, text), expected), expected);
        using var host = HostWeights.Load(model.Path, WeightFormat.Float32);
        using var kernels = new KernelPass(host.Kernels, KernelSet.Best, 2, SteppedLogits.Blocks, SteppedLogits.BlockSize, NoAdapter);
        Expect("stepped in kernels", SteppedLogits.Difference(SteppedLogits.Of(kernels, text), expected), expected);
    }

    private static PeftAdapter NoAdapter(long load) => throw new InvalidOperationException($"No adapter takes part, and {load} is asked for.");

    // ggml looks GELU up in a table of half-precision numbers, whose error alone is larger than the tolerance. The formulas in Float64 tell what that table does:
    // with it they give llama.cpp's logits, and the difference that it makes to them is taken off those logits before the engine, which has none, must equal them.
    private float[] WithoutTable(RandomModel model, int[] text, float[] logits)
    {
        float[] rounded = Formulas(model, text, halfGelu: true), exact = Formulas(model, text, halfGelu: false);
        Expect("formulas with ggml's table", Difference(rounded, logits), logits);
        output.WriteLine($"what the table does: {Difference(rounded, exact):E2}");
        return [.. logits.Select((logit, i) => logit - (rounded[i] - exact[i]))];
    }

    private static float[] Formulas(RandomModel model, int[] text, bool halfGelu)
    {
        using var reference = new Reference(model.Path, model.Config, halfGelu);
        using var scope = NewDisposeScope();
        return HostTensors.Floats(reference.Logits(text).to(ScalarType.Float32).contiguous()).ToArray();
    }

    private static double Difference(float[] a, float[] b) => a.Zip(b).Max(pair => Math.Abs(pair.First - pair.Second));

    private void Expect(string pass, double difference, float[] expected)
    {
        output.WriteLine($"{pass}: largest difference {difference:E2} (largest logit {expected.Max(Math.Abs):F1})");
        Assert.InRange(difference, 0, Tolerance);
    }
}
