using AiFabric.Engine.Execution;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Models;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.LlamaCpp;

/// <summary>The engine's forward pass over one prompt, with the logits of every position instead of the last one's.</summary>
internal sealed class EnginePass(DecoderWeights weights) : IDisposable
{
    private const int BlockSize = 16;

    private readonly int blocks = weights.Config.MaximumPositions / BlockSize;
    private readonly KvTensors cache = new(weights.Config, weights.Config.MaximumPositions / BlockSize, BlockSize, weights.Type, weights.Device);
    private readonly RotaryTable rotary = new(weights.Config, weights.Type, weights.Device);

    /// <returns>[n · vocab].</returns>
    public float[] Logits(int[] tokens)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var sequence = new Sequence(new SequenceId(1), new GenerationRequest { PromptTokens = tokens, MaxTokens = 1 }, 1, seed: 0, adapterLoad: 0, BlockSize);
        if (!sequence.Blocks.TryGrow(new BlockPool(blocks), tokens.Length))
            throw new ArgumentException($"{tokens.Length} tokens are more than the model's {weights.Config.MaximumPositions} positions.", nameof(tokens));
        var batch = new Batch();
        batch.PromptChunks.Add(new BatchRows(sequence, 0, tokens.Length, Samples: true));
        var math = new PassMath(weights.Config, cache);
        var packed = new PackedBatch(batch, null, _ => throw new InvalidOperationException("No adapter takes part."), weights, rotary, math);
        var pass = new ForwardPass(weights, cache, math);
        return HostTensors.Floats(pass.Logits(pass.Run(packed), arange(tokens.Length, ScalarType.Int64))).ToArray();
    }

    public void Dispose()
    {
        cache.Dispose();
        rotary.Dispose();
    }
}
