using AiFabric.Engine.Adapters;
using AiFabric.Engine.Execution;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Models;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using Xunit;
using static AiFabric.Engine.Tests.Execution.EngineTestExtensions;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>Rows of one batch with adapters of every method, and rows without one.</summary>
public sealed class MixedAdapterTests
{
    private const int Vocabulary = 300;
    private const int BlockSize = 4;

    /// <summary>Float32 runs in kernels on the CPU, Float64 in tensors; biases and norms behind the block's matrices change what a scale is put on.</summary>
    [Theory]
    [InlineData("llama with biases", ScalarType.Float32)]
    [InlineData("llama with biases", ScalarType.Float64)]
    [InlineData("gemma2", ScalarType.Float32)]
    [InlineData("gemma2", ScalarType.Float64)]
    public async Task Each_request_gets_what_its_adapter_makes_of_the_model_alone(string family, ScalarType type)
    {
        using var model = FamilyModels.Create(family);
        using var reference = new Reference(model.Path, model.Config);
        await using var engine = model.Start(o => o with { Type = type, MaxBatchTokens = 64 });
        string[] names = [.. RandomAdapter.MethodNames];
        for (int i = 0; i < names.Length; i++)
            engine.Install(Build(names[i], i, engine.Weights));
        GenerationRequest[] requests = [.. Enumerable.Range(0, 2 * (names.Length + 1)).Select(i =>
            Greedy(model.Prompt(9, i), 4, i % (names.Length + 1) is var at && at == names.Length ? null : names[at]))];

        Generation[] generations;
        using (engine.Hold())
            generations = [.. requests.Select(engine.Submit)];

        var answers = new HashSet<string>();
        foreach (var (request, generation) in requests.Zip(generations))
        {
            using var adapter = request.Adapter is { } name ? Build(name, Array.IndexOf(names, name), engine.Weights) : null;
            var expected = reference.Greedy(request.PromptTokens, request.MaxTokens, adapter);
            var events = await generation.AllAsync();
            Assert.Equal(expected.Select(e => e.Token), events.Select(e => e.Token!.Value));
            Assert.All(expected.Zip(events), pair => Assert.InRange(Math.Abs(pair.First.Logprob - pair.Second.Logprob!.Value), 0, 2e-4));
            answers.Add(string.Join(' ', events.Select(e => e.Token)));
        }
        Assert.Equal(requests.Length, answers.Count);
    }

    [Fact]
    public void Rows_without_adapter_have_the_same_bits_beside_rows_with_one()
    {
        using var model = FamilyModels.Create("llama with biases");
        using var weights = HostWeights.Load(model.Path, WeightFormat.Float32);
        foreach (string name in RandomAdapter.MethodNames)
        {
            using var adapter = Build(name, 1, weights);
            using var pass = new KernelPass(weights.Kernels, KernelSet.Best, 1, 64, BlockSize, _ => adapter);
            float[] alone = Run(pass, 0), beside = Run(pass, 1);
            Assert.Equal(alone[..Vocabulary], beside[..Vocabulary]);
            Assert.NotEqual(alone[Vocabulary..], beside[Vocabulary..]);
        }

        // Two prompts in one batch, the second with or without the adapter.
        float[] Run(KernelPass pass, long adapter)
        {
            var pool = new BlockPool(64);
            var batch = new Batch();
            batch.PromptChunks.Add(Rows(pool, model.Prompt(11, 1), 0));
            batch.PromptChunks.Add(Rows(pool, model.Prompt(7, 2), adapter));
            return pass.Run(batch, null).ToArray();
        }
    }

    private static PeftAdapter Build(string name, int seed, BaseWeights weights)
    {
        using var values = RandomAdapter.Values(RandomAdapter.Methods[name], weights.Config, 100 + seed, weights.Type);
        return values.Build(name, weights);
    }

    private static BatchRows Rows(BlockPool pool, int[] tokens, long adapter)
    {
        var request = new GenerationRequest { PromptTokens = tokens, MaxTokens = 1 };
        var sequence = new Sequence(new SequenceId(1), request, 1, seed: 0, adapter, BlockSize);
        Assert.True(sequence.Blocks.TryGrow(pool, tokens.Length));
        return new BatchRows(sequence, 0, tokens.Length, Samples: true);
    }
}
