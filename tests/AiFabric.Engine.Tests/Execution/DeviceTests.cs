using System.ComponentModel.DataAnnotations;
using AiFabric.Engine.Execution;
using AiFabric.Engine.Interop;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Models;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using Xunit;
using static AiFabric.Engine.Tests.Execution.EngineTestExtensions;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>The choice of a device, and what a pass on one sends back. The tests' device is the CPU, which takes the same way in Float64.</summary>
public sealed class DeviceTests : IDisposable
{
    private const int BlockSize = 4;

    private readonly RandomModel model = new();

    public void Dispose() => model.Dispose();

    [Fact]
    public async Task Auto_takes_the_cpu_where_there_is_no_other()
    {
        Assert.SkipWhen(TorchRuntime.HasCuda, "there is a CUDA device");
        await using var engine = model.Start(o => o with { Device = "auto" });

        Assert.Equal(3, (await engine.Submit(Greedy(model.Prompt(5, 1), 3)).AllAsync()).Count);
        Assert.Equal(TorchSharp.DeviceType.CPU, engine.Weights.Device.type);
    }

    [Fact]
    public async Task Quantized_weights_stay_on_the_cpu_by_themselves()
    {
        await using var engine = model.Start(o => o with { Device = "auto", Quantization = Quantization.Q8 });

        Assert.Equal(TorchSharp.DeviceType.CPU, engine.Weights.Device.type);
    }

    [Fact]
    public void Cuda_without_a_device_is_refused_with_what_to_set()
    {
        Assert.SkipWhen(TorchRuntime.HasCuda, "there is a CUDA device");
        var refused = Assert.Throws<ValidationException>(() => model.Start(o => o with { Device = "cuda" }));
        Assert.Contains("LIBTORCH_DIR", refused.Message, StringComparison.Ordinal);
        Assert.Contains("Device", Assert.Throws<ValidationException>(() => model.Start(o => o with { Device = "tpu" })).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.BFloat16)]
    public void The_most_likely_tokens_are_those_of_the_logits(ScalarType type)
    {
        using var weights = DecoderWeights.Load(model.Path, type, CPU);
        using var pass = new TorchPass(weights, 64, BlockSize, _ => throw new InvalidOperationException());
        var pool = new BlockPool(64);
        var batch = new Batch();
        for (int i = 0; i < 5; i++)
            batch.PromptChunks.Add(Prompt(pool, 3 + (4 * i), i) with { Samples = i != 2 });

        int[] tokens = pass.RunGreedy(batch, null).ToArray();
        float[] logits = pass.Run(batch, null).ToArray();

        Assert.Equal(4, tokens.Length);
        Assert.Equal(logits.Chunk(model.Config.VocabularySize).Select(row => Array.IndexOf(row, row.Max())), tokens);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Ids_that_are_no_token_are_never_the_most_likely(ScalarType type)
    {
        using var weights = DecoderWeights.Load(model.Path, type, CPU);
        using var all = new TorchPass(weights, 64, BlockSize, _ => throw new InvalidOperationException());
        var pool = new BlockPool(64);
        var batch = new Batch();
        for (int i = 0; i < 5; i++)
            batch.PromptChunks.Add(Prompt(pool, 3 + (4 * i), i));
        int[] unused = [.. all.RunGreedy(batch, null).ToArray().Distinct()];
        using var pass = new TorchPass(weights, 64, BlockSize, _ => throw new InvalidOperationException(), unused: unused);

        int[] tokens = pass.RunGreedy(batch, null).ToArray();
        float[] logits = all.Run(batch, null).ToArray();

        Assert.Equal(logits.Chunk(model.Config.VocabularySize).Select(row => Enumerable.Range(0, row.Length).Except(unused).MaxBy(id => row[id])), tokens);
    }

    [Fact]
    public async Task Greedy_answers_do_not_depend_on_what_is_sent_back()
    {
        await using var engine = model.Start(o => o with { Type = ScalarType.Float64 });
        GenerationRequest[] plain = [.. Enumerable.Range(0, 6).Select(i => Greedy(model.Prompt(3 + i, i), 16) with { TopLogprobs = null })];

        // Alone, only tokens are sent; beside a request that wants log probabilities, logits.
        var alone = await Task.WhenAll(plain.Select(request => engine.Submit(request).AllAsync()));
        var beside = await Task.WhenAll(plain.Select(request => request with { TopLogprobs = 2, CacheSalt = "s" }).Select(request => engine.Submit(request).AllAsync()));

        foreach (var (a, b) in alone.Zip(beside))
            Assert.Equal(b.Select(e => e.Token), a.Select(e => e.Token));
    }

    [Fact]
    public void Damaged_weights_give_no_token()
    {
        using var weights = DecoderWeights.Load(model.Path, ScalarType.Float64, CPU);
        using (no_grad())
            weights.Head.fill_(double.NaN);
        using var pass = new TorchPass(weights, 64, BlockSize, _ => throw new InvalidOperationException());
        var batch = new Batch();
        batch.PromptChunks.Add(Prompt(new BlockPool(64), 5, 1));

        Assert.Equal([-1], pass.RunGreedy(batch, null).ToArray());
    }

    private BatchRows Prompt(BlockPool pool, int length, int seed)
    {
        var request = new GenerationRequest { PromptTokens = model.Prompt(length, seed), MaxTokens = 1 };
        var sequence = new Sequence(new SequenceId(seed), request, 1, seed: 0, adapterLoad: 0, BlockSize);
        Assert.True(sequence.Blocks.TryGrow(pool, length));
        return new BatchRows(sequence, 0, length, Samples: true);
    }
}
