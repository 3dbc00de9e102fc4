using System.Security.Cryptography;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Tests.LlamaCpp;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Models;

/// <summary>A model folder whose weights are one GGUF file.</summary>
public sealed class GgufModelTests : IDisposable
{
    private const string Template = "{% for m in messages %}{{ m['content'] }}{% endfor %}";

    private readonly RandomModel model = new();
    private readonly TemporaryFolder folder = new();

    private string Gguf => folder.File("model.gguf");

    public void Dispose()
    {
        folder.Dispose();
        model.Dispose();
    }

    [Fact]
    public void It_holds_the_numbers_config_and_tokenizer_of_the_folder_it_was_made_from()
    {
        using var original = Convert();
        using var read = DecoderWeights.Load(folder.Path, ScalarType.Float32, CPU);
        var tokenizer = HuggingFaceTokenizer.Load(folder.Path);

        Assert.Equivalent(original.Config, read.Config);
        Assert.Equal($"sha256:{System.Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Gguf)))}", read.Digest);
        using var scope = NewDisposeScope();
        foreach (var (expected, actual) in original.Layers.Zip(read.Layers))
        {
            foreach (var target in LoraTargets.All)
                RequireEqual(expected[target], actual[target]);
        }
        RequireEqual(original.Head, read.Head);
        RequireEqual(original.FinalNorm, read.FinalNorm);
        Assert.Equal(HuggingFaceTokenizer.Load(model.Path).Encode("Any text. 12"), tokenizer.Encode("Any text. 12"));
        Assert.Equal(Template, tokenizer.Settings.ChatTemplate);
    }

    [Fact]
    public async Task It_is_served_like_the_folder_it_was_made_from()
    {
        Convert().Dispose();
        await using var original = model.Start();
        await using var engine = model.Start(o => o with { ModelFolder = folder.Path });
        await using var named = model.Start(o => o with { ModelFolder = Gguf });
        var request = EngineTestExtensions.Greedy(model.Prompt(20, 3), 12);

        var expected = (await original.Submit(request).AllAsync()).Select(e => e.Token).ToArray();

        Assert.Equal(expected, (await engine.Submit(request).AllAsync()).Select(e => e.Token));
        Assert.Equal(expected, (await named.Submit(request).AllAsync()).Select(e => e.Token));
        Assert.Equal(Template, engine.ChatTemplate);
    }

    [Fact]
    public void What_llama_cpp_quantized_to_8_bits_stays_what_it_is()
    {
        Convert(GgufType.Q8).Dispose();
        using var exact = DecoderWeights.Load(folder.Path, ScalarType.Float32, CPU);
        using var quantized = HostWeights.Load(folder.Path, WeightFormat.Q8);

        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var (expected, actual) = (exact.Layers[1][LoraTarget.Gate], quantized.TrainingLayer(1)[LoraTarget.Gate]);
        // The scales' rounding alone, in proportion to a weight: another quantization would move small weights as far as large ones.
        Assert.True(((expected - actual).abs() <= expected.abs() * (1.0 / 256) + 1e-12).all().item<bool>());
        Assert.Equal((exact.Head.eq(0)).sum().item<long>(), quantized.TrainingHead().eq(0).sum().item<long>());
    }

    [Fact]
    public void A_tokenizer_json_beside_it_wins()
    {
        Convert().Dispose();
        string marked = File.ReadAllText(Path.Combine(model.Path, "tokenizer.json")).Replace("\"added_tokens\":[]", "\"added_tokens\":[{\"id\":299,\"content\":\"<mark>\",\"special\":true}]", StringComparison.Ordinal);
        folder.Write("tokenizer.json", marked);

        Assert.Equal([299], HuggingFaceTokenizer.Load(folder.Path).SpecialIds);
    }

    [Fact]
    public void Safetensors_beside_it_win_and_two_of_them_are_refused()
    {
        Convert().Dispose();
        File.Copy(Gguf, folder.File("other.gguf"));

        string refused = Assert.Throws<CheckpointException>(() => DecoderWeights.Load(folder.Path, ScalarType.Float32, CPU)).Message;
        File.Copy(Gguf, Path.Combine(model.Path, "model.gguf"));
        using var weights = DecoderWeights.Load(model.Path, ScalarType.Float32, CPU);

        Assert.Contains("holds 2 GGUF files (model.gguf, other.gguf); name one of them", refused, StringComparison.Ordinal);
        Assert.NotEqual($"sha256:{System.Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Gguf)))}", weights.Digest);
    }

    [Fact]
    public void What_the_engine_would_leave_out_is_refused_by_name()
    {
        using var bias = zeros(32);

        Assert.Contains("tensor 'blk.0.attn_v.bias' takes no part", Refused(file => file.AddTensor("blk.0.attn_v.bias", bias)), StringComparison.Ordinal);
        Assert.Contains("'llama.logit_scale' asks for what is not supported", Refused(file => file.Add("llama.logit_scale", 2f)), StringComparison.Ordinal);
        Assert.Contains("is one of 3 parts of a model", Refused(file => file.Add("split.count", 3u)), StringComparison.Ordinal);
        Assert.Contains("'llama.expert_count' is 8; only 0", Refused(file => file.Add("llama.expert_count", 8u)), StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_ways_of_cutting_text_are_refused_by_name()
    {
        Convert(words: "tekken").Dispose();

        Assert.Contains("tokenizer.ggml.pre is 'tekken'", Assert.Throws<CheckpointException>(() => HuggingFaceTokenizer.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    private static void RequireEqual(Tensor expected, Tensor actual) => Assert.True(expected.eq(actual).all().item<bool>());

    private string Refused(Action<GgufWriter> more)
    {
        using (var original = DecoderWeights.Load(model.Path, ScalarType.Float32, CPU))
            LlamaGguf.Write(model.Path, original, Gguf, more: more);
        return Assert.Throws<CheckpointException>(() => DecoderWeights.Load(folder.Path, ScalarType.Float32, CPU)).Message;
    }

    private DecoderWeights Convert(GgufType type = GgufType.Float32, string words = "gpt-2")
    {
        var original = DecoderWeights.Load(model.Path, ScalarType.Float32, CPU);
        LlamaGguf.Write(model.Path, original, Gguf, type, words, file => file.Add("tokenizer.chat_template", Template));
        return original;
    }
}
