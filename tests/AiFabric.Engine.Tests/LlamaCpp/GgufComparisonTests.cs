using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Tests.LlamaCpp.Interop;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.LlamaCpp;

/// <summary>The demo model as GGUF files of every format, in the engine and in llama.cpp.</summary>
public sealed class GgufComparisonTests(ITestOutputHelper output) : IDisposable
{
    private const double Tolerance = 2e-3;
    private const string Text = "During the last fiscal year the receipts of the Treasury exceeded the expenditures by $3,457,921.40, and the whale, the captain cried, is out there;";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>
    /// llama.cpp rounds activations too where weights are narrow, the engine does not: from the same file their logits differ by that. From a
    /// Float32 file of the numbers that the engine has read they must be equal, so that every number was read right.
    /// </summary>
    [Theory]
    [InlineData(nameof(GgufType.Float32), Tolerance)]
    [InlineData(nameof(GgufType.Float16), 0.02)]
    [InlineData(nameof(GgufType.BFloat16), 0.15)]
    [InlineData(nameof(GgufType.Q8), 0.5)]
    [InlineData(nameof(GgufType.Q4Zero), 0.7)]
    [InlineData(nameof(GgufType.Q4One), 0.7)]
    [InlineData(nameof(GgufType.Q5Zero), 0.7)]
    [InlineData(nameof(GgufType.Q5One), 0.7)]
    [InlineData(nameof(GgufType.Q4K), 0.7)]
    [InlineData(nameof(GgufType.Q5K), 0.7)]
    [InlineData(nameof(GgufType.Q6K), 0.7)]
    public void Logits_equal_llama_cpps(string type, double fromTheSameFile)
    {
        string file = Write(Enum.Parse<GgufType>(type));
        using var weights = DecoderWeights.Load(folder.Path, ScalarType.Float32, CPU);
        string restored = Path.Combine(Directory.CreateDirectory(folder.File("restored")).FullName, "model.gguf");
        LlamaGguf.Write(DemoModel.RequireFolder(), weights, restored);
        int[] tokens = HuggingFaceTokenizer.Load(DemoModel.RequireFolder()).Encode(Text);
        using var engine = new EnginePass(weights);
        float[] own = engine.Logits(tokens);

        double same = Difference(own, Peer(file, weights, tokens)), exact = Difference(own, Peer(restored, weights, tokens));

        output.WriteLine($"{type}: {same:E2} from the same file, {exact:E2} from its numbers in float32, over {tokens.Length} positions; largest logit {own.Max(Math.Abs):F1}");
        Assert.InRange(exact, 0, Tolerance);
        Assert.InRange(same, 0, fromTheSameFile);
    }

    [Theory]
    [InlineData("gpt-2")]
    [InlineData("qwen2")]
    [InlineData("smollm")]
    [InlineData("llama-bpe")]
    public void Texts_have_the_tokens_that_llama_cpp_gives_them(string words)
    {
        string file = Write(GgufType.Float32, words);
        var tokenizer = HuggingFaceTokenizer.Load(folder.Path);
        using var peer = new LlamaCppModel(file, 64, tokenizer.VocabularySize);
        string[] texts = [Text, "  leading, trailing  ", "tabs\tand\r\nlines\n\n\n", "naïve café — 日本語 🙂", "don't I'LL we've x=1;y<2 1234567 a1b22", "<|endoftext|>"];

        foreach (string text in texts)
            Assert.Equal(peer.Tokenize(text), tokenizer.Encode(text));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Texts_have_the_pieces_that_llama_cpp_gives_them(bool prefix)
    {
        RequireLlamaCpp();
        var config = new DecoderConfig
        {
            HiddenSize = 32,
            IntermediateSize = 32,
            Layers = 1,
            Heads = 2,
            KeyValueHeads = 2,
            HeadSize = 16,
            VocabularySize = PieceVocabulary.Size,
            MaximumPositions = 64,
            TieWordEmbeddings = true,
        };
        using (NewDisposeScope())
            SafetensorsWriter.Write(folder.File("model.safetensors"), RandomModel.RandomWeights(config, seed: 1));
        folder.Write("config.json", config.ToJson("float32"));
        string file = Path.Combine(Directory.CreateDirectory(folder.File("gguf")).FullName, "model.gguf");
        using (var weights = DecoderWeights.Load(folder.Path, ScalarType.Float32, CPU))
            LlamaGguf.Write(folder.Path, weights, file, vocabulary: writer => PieceVocabulary.Write(writer, prefix));
        var tokenizer = HuggingFaceTokenizer.Load(file);
        using var peer = new LlamaCppModel(file, 64, tokenizer.VocabularySize);

        string[] texts = ["that it is in the weather and over the thing", "abcabc abab", " two  blanks    four", "日本 é 🙂 Zebra", "1234, I'm. It", "\n\ttabs\n", "<s> </s>", "<0x0A>"];
        foreach (string text in texts)
        {
            int[] tokens = tokenizer.Encode(text);
            Assert.Equal(peer.Tokenize(text), tokens);
            Assert.Equal(text, tokenizer.Decode(tokens));
        }
        Assert.Equal((1, "<s>", true), (tokenizer.BeginOfSequenceId, tokenizer.Settings.BeginOfSequence, tokenizer.Settings.AddBeginOfSequence));
    }

    private string Write(GgufType type, string words = "gpt-2")
    {
        RequireLlamaCpp();
        string demo = DemoModel.RequireFolder();
        using var weights = DecoderWeights.Load(demo, ScalarType.Float32, CPU);
        LlamaGguf.Write(demo, weights, folder.File("model.gguf"), type, words);
        return folder.File("model.gguf");
    }

    private static void RequireLlamaCpp() =>
        Assert.SkipUnless(LlamaCppLibraries.AreInstalled, $"llama.cpp is not in {LlamaCppLibraries.Folder}; tests/prepare.sh installs it.");

    private static float[] Peer(string file, DecoderWeights weights, int[] tokens)
    {
        using var peer = new LlamaCppModel(file, weights.Config.MaximumPositions, weights.Config.VocabularySize);
        return peer.Logits(tokens);
    }

    private static double Difference(float[] one, float[] other)
    {
        Assert.Equal(one.Length, other.Length);
        return one.Zip(other).Max(pair => Math.Abs(pair.First - pair.Second));
    }
}
