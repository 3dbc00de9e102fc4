using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using AiFabric.Engine.Execution;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Models;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Tokenization;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>What 8-bit weights cost in quality and memory, and where they are refused.</summary>
public sealed class QuantizationTests(ITestOutputHelper output)
{
    private const int Texts = 40;

    [Fact]
    public void Perplexity_on_real_text_stays_within_half_a_percent()
    {
        string folder = DemoModel.RequireFolder();
        var tokenizer = HuggingFaceTokenizer.Load(folder);
        int[][] texts = [.. File.ReadLines(DemoModel.JargonEval).Take(Texts)
            .Select(line => tokenizer.Encode(JsonSerializer.Deserialize<JsonElement>(line).GetProperty("text").GetString()!))]; // every line has a text
        using var dense = HostWeights.Load(folder, WeightFormat.Float32);
        using var quantized = HostWeights.Load(folder, WeightFormat.Q8);

        // As they are served: with 8-bit weights keys and values are narrow too.
        double full = Perplexity(dense.Kernels, CacheFormat.Float32, texts), eight = Perplexity(quantized.Kernels, CacheFormat.BFloat16, texts);

        output.WriteLine($"{texts.Sum(text => text.Length)} tokens: perplexity {full:F4} in float32, {eight:F4} in 8 bits, {100 * ((eight / full) - 1):F3} % more");
        Assert.InRange(eight / full, 0.995, 1.005);
        Assert.NotEqual(full, eight);
    }

    [Fact]
    public async Task A_quantized_engine_answers_with_and_without_an_adapter()
    {
        using var model = new RandomModel(tied: true);
        await using var engine = model.Start(o => o with { Quantization = Quantization.Q8 });
        engine.Install(model.Adapter("a", 2, 4));

        var plain = await engine.Submit(EngineTestExtensions.Greedy(model.Prompt(30, 2), 12)).AllAsync();
        var adapted = await engine.Submit(EngineTestExtensions.Greedy(model.Prompt(30, 2), 12, "a")).AllAsync();

        Assert.Equal((12, FinishReason.Length), (plain.Count, plain[^1].Finish));
        Assert.NotEqual(plain.Select(e => e.Token), adapted.Select(e => e.Token));
    }

    [Theory]
    [InlineData(ScalarType.Float32, Quantization.None, CacheFormat.Float32)]
    [InlineData(ScalarType.BFloat16, Quantization.None, CacheFormat.BFloat16)]
    [InlineData(ScalarType.Float32, Quantization.Q8, CacheFormat.BFloat16)]
    public void The_cache_is_as_narrow_as_the_weights_unless_it_is_told_otherwise(ScalarType type, Quantization quantization, object expected)
    {
        var options = new EngineOptions { ModelFolder = "/", Type = type, Quantization = quantization };

        Assert.Equal(expected, ForwardPasses.CacheOf(options));
        Assert.Equal(CacheFormat.Float32, ForwardPasses.CacheOf(options with { KvCacheType = KvCacheType.Float32 }));
        Assert.Equal(CacheFormat.BFloat16, ForwardPasses.CacheOf(options with { KvCacheType = KvCacheType.BFloat16 }));
    }

    [Fact]
    public void A_cache_of_another_type_than_a_tensor_pass_keeps_is_refused()
    {
        using var model = new RandomModel();
        var options = new EngineOptions { ModelFolder = model.Path, Type = ScalarType.Float64, KvCacheType = KvCacheType.BFloat16 };

        var refused = Assert.Throws<ValidationException>(() => LlmEngine.Load(options, TimeProvider.System, NullLoggerFactory.Instance));

        Assert.Contains("KvCacheType is BFloat16", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ScalarType.BFloat16, "cpu")]
    [InlineData(ScalarType.Float32, "cuda")]
    public void Quantization_elsewhere_than_in_float32_on_the_cpu_is_refused(ScalarType type, string device)
    {
        using var model = new RandomModel();
        var options = new EngineOptions { ModelFolder = model.Path, Quantization = Quantization.Q8, Type = type, Device = device };

        var refused = Assert.Throws<ValidationException>(() => LlmEngine.Load(options, TimeProvider.System, NullLoggerFactory.Instance));

        Assert.Contains("Q8", refused.Message, StringComparison.Ordinal);
    }

    // Each text alone, token by token.
    private static double Perplexity(KernelWeights weights, CacheFormat cached, int[][] texts)
    {
        const int BlockSize = 16;
        int blocks = weights.Config.MaximumPositions / BlockSize;
        using var pass = new KernelPass(weights, KernelSet.Best, 1, blocks, BlockSize, _ => throw new InvalidOperationException("No adapter takes part."), cached);
        double sum = 0;
        long count = 0;
        var batch = new Batch();
        foreach (int[] text in texts)
        {
            var request = new GenerationRequest { PromptTokens = text, MaxTokens = 1 };
            var sequence = new Sequence(new SequenceId(1), request, 1, seed: 0, adapterLoad: 0, BlockSize);
            int tokens = Math.Min(text.Length, weights.Config.MaximumPositions);
            Assert.True(sequence.Blocks.TryGrow(new BlockPool(blocks), tokens));
            for (int i = 0; i + 1 < tokens; i++, count++)
            {
                batch.DecodeRows.Clear();
                batch.DecodeRows.Add(new BatchRows(sequence, i, 1, Samples: true));
                sum -= Logprobs.Of(pass.Run(batch, null), 0).Of(text[i + 1]);
            }
        }
        return Math.Exp(sum / count);
    }
}
