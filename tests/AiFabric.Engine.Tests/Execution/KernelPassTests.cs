using AiFabric.Engine.Adapters;
using AiFabric.Engine.Execution;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Models;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>The pass in kernels against the pass in tensors, on the same weights and batches.</summary>
public sealed class KernelPassTests : IDisposable
{
    private const int BlockSize = 4;
    private const int Blocks = 64;

    private readonly RandomModel model = new();

    public static TheoryData<int> Widths => [.. KernelSet.Supported.Select(set => set.Bits)];

    public void Dispose() => model.Dispose();

    [Theory]
    [MemberData(nameof(Widths))]
    public void Logits_equal_the_tensor_pass(int bits)
    {
        using var weights = DecoderWeights.Load(model.Path, ScalarType.Float32, CPU);
        using var adapter = model.Adapter("a", 3, 5);
        using var tensors = new TorchPass(weights, Blocks, BlockSize, _ => adapter);
        using var host = HostWeights.Load(model.Path, WeightFormat.Float32, threads: 2);
        using var kernels = Kernels(host.Kernels, bits, threads: 2, _ => adapter);

        var (expected, actual) = (Run(tensors), Run(kernels));

        Assert.Equal(expected.Length, actual.Length);
        Assert.InRange(expected.Zip(actual).Max(pair => Math.Abs(pair.First - pair.Second)), 0, 1e-4);
    }

    [Fact]
    public void Logits_of_8_bit_weights_equal_the_tensor_pass_on_the_restored_weights()
    {
        using var quantized = HostWeights.Load(model.Path, WeightFormat.Q8);
        using var dense = RestoredWeights.Load(model.Path, quantized);
        using var adapter = model.Adapter("a", 3, 5);
        using var tensors = new TorchPass(dense, Blocks, BlockSize, _ => adapter);
        using var kernels = new KernelPass(quantized.Kernels, KernelSet.Best, 1, Blocks, BlockSize, _ => adapter);

        // Kernels round the inputs of 8-bit products to 16 bits.
        float[] expected = Run(tensors), actual = Run(kernels);
        Assert.InRange(expected.Zip(actual).Max(pair => Math.Abs(pair.First - pair.Second)) / expected.Max(Math.Abs), 0, 5e-4);
    }

    [Fact]
    public void A_step_without_finetuning_allocates_nothing()
    {
        using var weights = HostWeights.Load(model.Path, WeightFormat.Float32);
        using var kernels = Kernels(weights.Kernels, KernelSet.Best.Bits, threads: 2, _ => throw new InvalidOperationException());
        var pool = new BlockPool(Blocks);
        var batch = new Batch();
        for (int i = 0; i < 3; i++)
            batch.DecodeRows.Add(Rows(pool, model.Prompt(9 + i, i), 8 + i, 1, 0));
        for (int i = 0; i < 50; i++)
            kernels.Run(batch, null);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 50; i++)
            kernels.Run(batch, null);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static KernelPass Kernels(KernelWeights weights, int bits, int threads, Func<long, PeftAdapter> adapterOf) =>
        new(weights, KernelSet.Supported.Single(set => set.Bits == bits), threads, Blocks, BlockSize, adapterOf);

    // Two prompts, one of them in two chunks, then decode rows beside a third prompt; with and without the adapter.
    private float[] Run(IForwardPass pass)
    {
        var pool = new BlockPool(Blocks);
        int[] first = model.Prompt(23, 1), second = model.Prompt(6, 2), third = model.Prompt(18, 3);
        var (a, b) = (Rows(pool, first, 0, 20, 1), Rows(pool, second, 0, 6, 0));
        var logits = new List<float>();
        Step([], [a with { Samples = false }, b]);
        Step([], [a with { Start = 20, Count = 2 }]);
        Step([a with { Start = 22, Count = 1 }, b with { Start = 5, Count = 1 }], [Rows(pool, third, 0, 18, 1)]);
        return [.. logits];

        void Step(BatchRows[] decode, BatchRows[] chunks)
        {
            var batch = new Batch();
            batch.DecodeRows.AddRange(decode);
            batch.PromptChunks.AddRange(chunks);
            logits.AddRange(pass.Run(batch, null));
        }
    }

    private static BatchRows Rows(BlockPool pool, int[] tokens, int start, int count, long adapter)
    {
        var request = new GenerationRequest { PromptTokens = tokens, MaxTokens = 1 };
        var sequence = new Sequence(new SequenceId(1), request, 1, seed: 0, adapter, BlockSize);
        Assert.True(sequence.Blocks.TryGrow(pool, tokens.Length));
        return new BatchRows(sequence, start, count, Samples: true);
    }
}
