using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.LlamaCpp;

/// <summary>Every family from the file that llama.cpp reads (see <see cref="FamilyComparisonTests"/>) against the folder that the file was made from.</summary>
public sealed class GgufFamilyTests(ITestOutputHelper output)
{
    private const double Tolerance = 1e-4;

    public static TheoryData<string> Families => FamilyModels.InLlamaCpp;

    [Theory]
    [MemberData(nameof(Families))]
    public void A_GGUF_file_computes_what_its_folder_computes(string family)
    {
        using var temporary = new TemporaryFolder();
        using var model = FamilyModels.Create(family);
        using var folder = DecoderWeights.Load(model.Path, ScalarType.Float32, CPU);
        LlamaGguf.Write(model.Path, folder, temporary.File("model.gguf"));
        using var file = DecoderWeights.Load(temporary.Path, ScalarType.Float32, CPU);
        int[] text = model.Prompt(120, 3);

        double difference = Logits(folder, text).Zip(Logits(file, text)).Max(pair => Math.Abs(pair.First - pair.Second));

        output.WriteLine($"{family}: largest difference {difference:E2}");
        Assert.InRange(difference, 0, Tolerance);
        Assert.Equal(folder.ParameterCount, file.ParameterCount);
    }

    [Fact]
    public void Divisors_of_frequencies_that_are_not_Llama_3s_are_refused()
    {
        using var temporary = new TemporaryFolder();
        using var model = new RandomModel();
        using var weights = DecoderWeights.Load(model.Path, ScalarType.Float32, CPU);
        using var divisors = tensor((float[])[1, 3, 2, 8]);
        LlamaGguf.Write(model.Path, weights, temporary.File("model.gguf"), more: file => file.AddTensor("rope_freqs.weight", divisors));

        string refused = Assert.Throws<CheckpointException>(() => DecoderConfig.Load(temporary.Path)).Message;

        Assert.Contains("'rope_freqs.weight' holds divisors that are not Llama 3's", refused, StringComparison.Ordinal);
    }

    private static float[] Logits(DecoderWeights weights, int[] text)
    {
        using var pass = new EnginePass(weights);
        return pass.Logits(text);
    }
}
