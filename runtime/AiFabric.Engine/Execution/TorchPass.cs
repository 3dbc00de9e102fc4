using AiFabric.Engine.Adapters;
using AiFabric.Engine.Cuda;
using AiFabric.Engine.Models;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>The pass in tensors, for every device and element type of libtorch.</summary>
internal sealed class TorchPass : IGreedyPass
{
    private readonly DecoderWeights weights;
    private readonly Func<long, PeftAdapter> adapterOf;
    private readonly RotaryTable rotary;
    private readonly KvTensors cache;
    private readonly PassMath math;
    private readonly DecodeStep? step;
    private readonly Tensor? unused; // [u] Int64; null when all ids are tokens.
    private Tensor? hidden;
    private Tensor? logits;
    private int[] mostLikely = [];

    /// <param name="weights">The model; not owned.</param>
    /// <param name="blocks">Blocks of the cache.</param>
    /// <param name="blockSize">Tokens of a block.</param>
    /// <param name="adapterOf">The adapter of a load number other than 0.</param>
    /// <param name="kernels">Our own, compiled for the model and its device; null to use libtorch's operations alone.</param>
    /// <param name="unused">Ids that are no token; null for none.</param>
    public TorchPass(DecoderWeights weights, int blocks, int blockSize, Func<long, PeftAdapter> adapterOf, CudaKernels? kernels = null, int[]? unused = null)
    {
        (this.weights, this.adapterOf) = (weights, adapterOf);
        rotary = new RotaryTable(weights.Config, weights.Type, weights.Device);
        // One more, into which rows that are nobody's are written.
        cache = new KvTensors(weights.Config, blocks + 1, blockSize, weights.Type, weights.Device);
        math = kernels is null ? new PassMath(weights.Config, cache) : new CudaMath(weights.Config, cache, kernels);
        if (unused is { Length: > 0 })
            this.unused = HostTensors.Upload([.. unused.Select(id => (long)id)], weights.Device).DetachFromDisposeScope();
        if (kernels is not null && DecodeStep.Fits(weights))
            step = new DecodeStep(weights, cache, rotary, kernels, (long)blocks * blockSize, this.unused);
    }

    public Span<float> Run(Batch batch, TrainingWindow? window)
    {
        using var scope = NewDisposeScope();
        // Not inference_mode: what a training window keeps of this pass takes part in gradients later.
        using var _ = no_grad();
        if ((Step(batch, window)?.Logits(batch) ?? Compute(batch, window)) is not { } found)
            return default;
        logits = found.cpu().contiguous().DetachFromDisposeScope();
        return HostTensors.Floats(logits);
    }

    public ReadOnlySpan<int> RunGreedy(Batch batch, TrainingWindow? window)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        if (Step(batch, window) is { } decoding)
            return Places(decoding.MostLikely(batch));
        if (Compute(batch, window) is not { } found)
            return default;
        if (unused is not null)
            found.index_fill_(1, unused, double.NegativeInfinity);
        var (largest, at) = found.max(1);
        // One copy for both: every copy waits for the device.
        var numbers = HostTensors.Doubles(stack([largest.to(ScalarType.Float64), at.to(ScalarType.Float64)], 0).cpu());
        int rows = numbers.Length / 2;
        var found64 = new long[rows];
        for (int row = 0; row < rows; row++)
            found64[row] = double.IsFinite(numbers[row]) ? (long)numbers[rows + row] : -1;
        return Places(found64);
    }

    private ReadOnlySpan<int> Places(ReadOnlySpan<long> places)
    {
        if (mostLikely.Length < places.Length)
            mostLikely = new int[2 * places.Length];
        for (int row = 0; row < places.Length; row++)
            mostLikely[row] = (int)places[row];
        return mostLikely.AsSpan(0, places.Length);
    }

    // Iterations that only decode, by the model alone, are always the same but for their numbers.
    private DecodeStep? Step(Batch batch, TrainingWindow? window)
    {
        if (window is not null || step is null || !step.Takes(batch))
            return null;
        Forget();
        return step;
    }

    private static void Pool(Batch batch, ForwardPass pass, Tensor output)
    {
        int row = 0;
        foreach (var decode in batch.DecodeRows)
            row += decode.Count;
        foreach (var chunk in batch.PromptChunks)
        {
            if (chunk.Sequence.States is { } states)
            {
                using var sum = pass.SumOfStates(output.narrow(0, row, chunk.Count));
                states.Put(HostTensors.Floats(sum), chunk.Count);
            }
            row += chunk.Count;
        }
    }

    public Tensor WindowOutput(TrainingWindow window) =>
        hidden?.alias() ?? throw new InvalidOperationException("The last pass had no training window.");

    public void Settle()
    {
        if (weights.Device.type == TorchSharp.DeviceType.CUDA)
            TorchCuda.Synchronize();
    }

    public void Dispose()
    {
        Forget();
        step?.Dispose();
        unused?.Dispose();
        rotary.Dispose();
        cache.Dispose();
    }

    // [rows whose logits are wanted, vocab] on the device, null when there are none; in the caller's scope.
    private Tensor? Compute(Batch batch, TrainingWindow? window)
    {
        Forget();
        var packed = new PackedBatch(batch, window, adapterOf, weights, rotary, math);
        var pass = new ForwardPass(weights, cache, math);
        var output = pass.Run(packed);
        if (window is not null)
            hidden = output.narrow(0, output.shape[0] - window.Count, window.Count).DetachFromDisposeScope();
        Pool(batch, pass, output);
        return packed.Samples is { } rows ? pass.Logits(output, rows) : null;
    }

    private void Forget()
    {
        hidden?.Dispose();
        logits?.Dispose();
        (hidden, logits) = (null, null);
    }
}
