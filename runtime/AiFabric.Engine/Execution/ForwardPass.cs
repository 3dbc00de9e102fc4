using AiFabric.Engine.Models;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>
/// One pass of a packed batch through the model. Norms, projections and the MLP see all rows at once, whatever they are for; only
/// attention treats decode rows, prompt chunks and the training window apart.
/// </summary>
/// <param name="weights">The model.</param>
/// <param name="cache">Memory of the key-value cache.</param>
/// <param name="math">Computes what is not a matrix product.</param>
internal sealed class ForwardPass(DecoderWeights weights, KvTensors cache, PassMath math)
{
    private readonly DecoderConfig config = weights.Config;

    /// <summary>Runs all layers. Gradients must be off.</summary>
    /// <returns>[n, hidden] before the final norm, owned by the caller's scope.</returns>
    public Tensor Run(PackedBatch batch)
    {
        using var scope = NewDisposeScope();
        var x = weights.Embedding.index_select(0, batch.Tokens);
        if (config.EmbeddingScale != 1)
            x = x * config.EmbeddingScale;
        for (int layer = 0; layer < config.Layers; layer++)
        {
            var next = Layer(layer, x, batch);
            x.Dispose();
            x = next;
        }
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>The logits of the sampling rows.</summary>
    /// <param name="hidden">What <see cref="Run"/> returned.</param>
    /// <param name="rows">[s] Int64.</param>
    /// <returns>[s, vocab] Float32, owned by the caller's scope.</returns>
    public Tensor Logits(Tensor hidden, Tensor rows)
    {
        using var scope = NewDisposeScope();
        var last = math.Norm(hidden.index_select(0, rows), weights.FinalNorm, config.NormEpsilon);
        return DecoderMath.SoftCap(nn.functional.linear(last, weights.Head).to(ScalarType.Float32), config.LogitSoftCap).MoveToOuterDisposeScope();
    }

    /// <summary>The sum of rows' final states, after the last norm.</summary>
    /// <param name="rows">[n, hidden] of what <see cref="Run"/> returned.</param>
    /// <returns>[hidden] Float32 on the CPU, contiguous, owned by the caller's scope.</returns>
    public Tensor SumOfStates(Tensor rows)
    {
        using var scope = NewDisposeScope();
        return DecoderMath.RmsNorm(rows, weights.FinalNorm, config.NormEpsilon).to(ScalarType.Float32).sum([0]).cpu().contiguous().MoveToOuterDisposeScope();
    }

    private Tensor Layer(int layer, Tensor x, PackedBatch batch)
    {
        using var scope = NewDisposeScope();
        foreach (var segment in batch.Segments)
            segment.Window?.SaveLayerInput(layer, x.narrow(0, segment.Start, segment.Count));
        var w = weights.Layers[layer];
        var block = new DecoderBlock(config, w, (target, input) => batch.Adapters.Linear(layer, target, input, w[target], w[target.Bias()]), math);
        var (q, k, v) = block.Project(x, batch.Angles[layer]);
        if (batch.Slots is { } slots)
            math.Store(layer, slots, k.narrow(0, 0, batch.InferenceRows), v.narrow(0, 0, batch.InferenceRows));
        return block.Finish(x, Attend(layer, q, k, v, batch)).MoveToOuterDisposeScope();
    }

    // [n, heads · headDim]
    private Tensor Attend(int layer, Tensor q, Tensor k, Tensor v, PackedBatch batch)
    {
        using var scope = NewDisposeScope();
        var mixed = empty(q.shape[0], config.Heads * config.HeadSize, dtype: q.dtype, device: q.device);
        if (batch.Cached is { } rows)
            math.AttendRows(layer, q.narrow(0, 0, rows.Count), rows, mixed.narrow(0, 0, rows.Count));
        foreach (var segment in batch.Segments)
            mixed.narrow(0, segment.Start, segment.Count).copy_(AttendSegment(layer, q, k, v, segment));
        return mixed.MoveToOuterDisposeScope();
    }

    private Tensor AttendSegment(int layer, Tensor q, Tensor k, Tensor v, Segment segment)
    {
        using var scope = NewDisposeScope();
        var (keys, values) = segment.Window is { } window
            ? window.Append(layer, k.narrow(0, segment.Start, segment.Count), v.narrow(0, segment.Start, segment.Count))
            : Context(layer, segment);
        return math.AttendSegment(q.narrow(0, segment.Start, segment.Count), keys, values, segment.Masks, layer).MoveToOuterDisposeScope();
    }

    private (Tensor Keys, Tensor Values) Context(int layer, Segment segment)
    {
        // A segment is a window or has blocks.
        var (keys, values) = cache.Gather(layer, segment.Blocks!);
        long[] flat = [-1, config.KeyValueHeads, config.HeadSize];
        return (keys.view(flat).narrow(0, 0, segment.Context), values.view(flat).narrow(0, 0, segment.Context));
    }
}
