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

/// <summary>Both passes, for every family, in chunks and token by token, with an adapter: against the model written down plainly in Float64.</summary>
public sealed class FamilyPassTests(ITestOutputHelper output)
{
    private const double Tolerance = 2e-4;
    private const int Tokens = 70;

    public static TheoryData<string> Families => FamilyModels.All;

    [Theory]
    [MemberData(nameof(Families))]
    public void Both_passes_give_what_the_whole_sequence_gives(string family)
    {
        using var model = FamilyModels.Create(family);
        using var weights = DecoderWeights.Load(model.Path, ScalarType.Float32, CPU);
        using var adapter = model.Adapter("a", 3, 5);
        int[] text = model.Prompt(Tokens, 3);
        float[] whole = Whole(model, text, adapter);

        using (var tensors = new TorchPass(weights, SteppedLogits.Blocks, SteppedLogits.BlockSize, _ => adapter))
            Expect("tensors", SteppedLogits.Of(tensors, text, adapter: 1), whole);
        using var host = HostWeights.Load(model.Path, WeightFormat.Float32);
        foreach (var kernels in KernelSet.Supported)
        {
            using var pass = new KernelPass(host.Kernels, kernels, 2, SteppedLogits.Blocks, SteppedLogits.BlockSize, _ => adapter);
            Expect($"kernels of {kernels.Bits} bits", SteppedLogits.Of(pass, text, adapter: 1), whole);
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void Eight_bit_weights_give_what_their_restored_weights_give(string family)
    {
        using var model = FamilyModels.Create(family);
        using var quantized = HostWeights.Load(model.Path, WeightFormat.Q8);
        using var dense = RestoredWeights.Load(model.Path, quantized);
        int[] text = model.Prompt(Tokens, 3);
        using var tensors = new TorchPass(dense, SteppedLogits.Blocks, SteppedLogits.BlockSize, NoAdapter);
        using var kernels = new KernelPass(quantized.Kernels, KernelSet.Best, 2, SteppedLogits.Blocks, SteppedLogits.BlockSize, NoAdapter);

        float[] expected = [.. SteppedLogits.Of(tensors, text).SelectMany(step => step.Logits)], actual = [.. SteppedLogits.Of(kernels, text).SelectMany(step => step.Logits)];

        // Kernels round the inputs of 8-bit products to 16 bits.
        double difference = expected.Zip(actual).Max(pair => Math.Abs(pair.First - pair.Second)) / expected.Max(Math.Abs);
        output.WriteLine($"largest difference {difference:E2} of the largest logit");
        Assert.InRange(difference, 0, 2e-3);
        Assert.Equal(dense.ParameterCount, quantized.ParameterCount);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_narrow_cache_gives_the_same_bits_for_chunks_and_for_the_whole_and_hardly_other_logits(string family)
    {
        using var model = FamilyModels.Create(family);
        using var weights = HostWeights.Load(model.Path, WeightFormat.BFloat16);
        int[] text = model.Prompt(Tokens, 3);
        float[] last = [];
        foreach (var format in Enum.GetValues<CacheFormat>())
        {
            float[] wider = last;
            using var pass = new KernelPass(weights.Kernels, KernelSet.Best, 2, SteppedLogits.Blocks, SteppedLogits.BlockSize, NoAdapter, format);
            last = SteppedLogits.Of(pass, text)[^1].Logits;
            Assert.Equal(SteppedLogits.AtOnce(pass, text), last);
            if (format == CacheFormat.Float32)
                continue;
            double difference = wider.Zip(last).Max(pair => Math.Abs(pair.First - pair.Second)) / wider.Max(Math.Abs);
            output.WriteLine($"largest difference {difference:E2} of the largest logit");
            Assert.InRange(difference, 1e-7, 5e-2); // Random weights: layer upon layer enlarges a rounding of 2⁻⁹.
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public void A_step_without_finetuning_allocates_nothing(string family)
    {
        using var model = FamilyModels.Create(family);
        using var weights = HostWeights.Load(model.Path, WeightFormat.Float32);
        using var kernels = new KernelPass(weights.Kernels, KernelSet.Best, 2, SteppedLogits.Blocks, SteppedLogits.BlockSize, NoAdapter);
        int[] text = model.Prompt(Tokens, 3);
        var sequence = new Sequence(
            new SequenceId(1), new GenerationRequest { PromptTokens = text, MaxTokens = 1 }, 1, seed: 0, adapterLoad: 0, SteppedLogits.BlockSize);
        Assert.True(sequence.Blocks.TryGrow(new BlockPool(SteppedLogits.Blocks), text.Length));
        var batch = new Batch();
        batch.DecodeRows.Add(new BatchRows(sequence, text.Length - 1, 1, Samples: true));
        for (int i = 0; i < 50; i++)
            kernels.Run(batch, null);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 50; i++)
            kernels.Run(batch, null);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task An_engine_serves_and_trains_every_family_in_one_pass(string family)
    {
        using var model = FamilyModels.Create(family);
        using var reference = new Reference(model.Path, model.Config);
        await using var engine = model.Start(o => o with { KvBlocks = 24 });
        using var adapter = model.Adapter("in training", 4, 5);
        int[] text = model.Prompt(29, 9);
        using var training = new ScriptedTraining(model.Config, text, adapter, rounds: 2);
        GenerationRequest[] requests = [.. Enumerable.Range(0, 4).Select(i => Greedy(model.Prompt((9 * i) + 1, i), 8))];
        Generation[] generations;
        using (engine.Hold())
        {
            engine.AttachTraining(training);
            generations = [.. requests.Select(engine.Submit)];
        }

        foreach (var (request, generation) in requests.Zip(generations))
        {
            var answer = (await generation.AllAsync()).Select(e => e.Token!.Value);
            Assert.Equal(reference.Greedy(request.PromptTokens, request.MaxTokens).Select(e => e.Token), answer);
        }
        await training.Finished.WaitAsync(TimeSpan.FromMinutes(1));
        await engine.DetachTrainingAsync(training);
        using var scope = NewDisposeScope();
        Assert.InRange((training.Hidden().to(ScalarType.Float64) - reference.Hidden(text, adapter)).abs().max().item<double>(), 0, 1e-3);
    }

    private static PeftAdapter NoAdapter(long load) => throw new InvalidOperationException($"No adapter takes part, and {load} is asked for.");

    private static float[] Whole(RandomModel model, int[] text, PeftAdapter adapter)
    {
        using var reference = new Reference(model.Path, model.Config);
        using var scope = NewDisposeScope();
        return HostTensors.Floats(reference.Logits(text, adapter).to(ScalarType.Float32).contiguous()).ToArray();
    }

    private void Expect(string pass, List<(int Position, float[] Logits)> stepped, float[] whole)
    {
        double difference = SteppedLogits.Difference(stepped, whole);
        output.WriteLine($"{pass}: {stepped.Count} positions, largest difference {difference:E2}");
        Assert.InRange(difference, 0, Tolerance);
    }
}
