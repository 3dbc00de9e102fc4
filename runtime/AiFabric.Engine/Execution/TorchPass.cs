using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>The pass in tensors, for every device and element type of libtorch.</summary>
/// <param name="weights">The model; not owned.</param>
/// <param name="blocks">Blocks of the cache.</param>
/// <param name="blockSize">Tokens of a block.</param>
/// <param name="adapterOf">The adapter of a load number other than 0.</param>
internal sealed class TorchPass(DecoderWeights weights, int blocks, int blockSize, Func<long, LoraAdapter> adapterOf) : IForwardPass
{
    private readonly RotaryTable rotary = new(weights.Config, weights.Type, weights.Device);
    private readonly KvTensors cache = new(weights.Config, blocks, blockSize, weights.Type, weights.Device);
    private Tensor? hidden;
    private Tensor? logits;

    public Span<float> Run(Batch batch, TrainingWindow? window)
    {
        Forget();
        using var scope = NewDisposeScope();
        // Not inference_mode: what a training window keeps of this pass takes part in gradients later.
        using var _ = no_grad();
        var packed = new PackedBatch(batch, window, adapterOf, weights, rotary);
        var pass = new ForwardPass(weights, cache);
        var output = pass.Run(packed);
        if (window is not null)
            hidden = output.narrow(0, output.shape[0] - window.Count, window.Count).DetachFromDisposeScope();
        if (packed.Samples is not { } rows)
            return default;
        logits = pass.Logits(output, rows).DetachFromDisposeScope();
        return HostTensors.Floats(logits);
    }

    public Tensor WindowOutput(TrainingWindow window) =>
        hidden?.alias() ?? throw new InvalidOperationException("The last pass had no training window.");

    public void Dispose()
    {
        Forget();
        rotary.Dispose();
        cache.Dispose();
    }

    private void Forget()
    {
        hidden?.Dispose();
        logits?.Dispose();
        (hidden, logits) = (null, null);
    }
}
