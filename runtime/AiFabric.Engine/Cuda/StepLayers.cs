using AiFabric.Engine.Adapters;
using AiFabric.Engine.Execution;
using AiFabric.Engine.Models;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Cuda;

/// <summary>The launches of a step: a decoder on rows that each have one token, in memory that is there.</summary>
internal sealed class StepLayers : IDisposable
{
    private readonly DecoderWeights weights;
    private readonly DecoderConfig config;
    private readonly KvTensors cache;
    private readonly RotaryTable rotary;
    private readonly CudaKernels kernels;
    private readonly StepMemory memory;
    private readonly Tensor[][] matrices; // By layer and target, [in, out].
    private readonly Tensor head;
    private readonly Tensor? unused; // [u] Int64
    private readonly Dictionary<int, Tensor?> partsOf = []; // By rows.

    /// <param name="weights">The model.</param>
    /// <param name="cache">Memory of the key-value cache.</param>
    /// <param name="rotary">Angles by position.</param>
    /// <param name="kernels">Compiled for the model.</param>
    /// <param name="memory">Of the step.</param>
    /// <param name="unused">[u] Int64, ids that are no token; null for none. Not owned.</param>
    public StepLayers(DecoderWeights weights, KvTensors cache, RotaryTable rotary, CudaKernels kernels, StepMemory memory, Tensor? unused)
    {
        (this.weights, config, this.cache, this.rotary, this.kernels, this.memory, this.unused) = (weights, weights.Config, cache, rotary, kernels, memory, unused);
        matrices = [.. weights.Layers.Select(layer => LoraTargets.All.Select(target => Turned(layer[target])).ToArray())];
        head = Turned(weights.Head);
    }

    /// <summary>Launches it all. Allocates nothing but views, but for the first time with so many rows.</summary>
    public void Run(int rows)
    {
        using var scope = NewDisposeScope();
        var inputs = memory.Inputs(rows);
        var (state, normed, added) = (Of(memory.State, rows), Of(memory.Normed, rows), Of(memory.Added, rows));
        int splits = kernels.Splits(rows, config.MaximumPositions);
        if (!partsOf.TryGetValue(rows, out var parts))
            partsOf.Add(rows, parts = kernels.Parts(rows, splits, weights.Device) is { } some ? memory.Keep(some) : null);
        kernels.Embed(weights.Embedding, inputs.Tokens, state);
        kernels.RmsNorm(state, Vector(0, LayerVector.AttentionNorm)!, normed); // Every block has one.
        for (int layer = 0; layer < config.Layers; layer++)
        {
            Attend(layer, rows, inputs, splits, parts);
            NormOutput(layer, LayerVector.AttentionOutputNorm, added);
            kernels.AddAndNorm(state, added, Vector(layer, LayerVector.MlpNorm)!, state, normed);
            var (gate, up) = (Of(memory.Gate, rows), Of(memory.Up, rows));
            Multiply(layer, LoraTarget.Gate, normed, gate);
            Multiply(layer, LoraTarget.Up, normed, up);
            kernels.Gated(config.Activation, gate, up, gate);
            Multiply(layer, LoraTarget.Down, gate, added);
            NormOutput(layer, LayerVector.MlpOutputNorm, added);
            kernels.AddAndNorm(state, added, layer + 1 < config.Layers ? Vector(layer + 1, LayerVector.AttentionNorm)! : weights.FinalNorm, state, normed);
        }
        var logits = Of(memory.Logits, rows);
        TorchCuda.Multiply(normed, head, logits);
        if (unused is not null)
            logits.index_fill_(1, unused, double.NegativeInfinity); // In place: nothing is allocated.
        kernels.MostLikely(logits, memory.Places.narrow(0, 0, rows));
    }

    public void Dispose()
    {
        foreach (var matrix in matrices.SelectMany(layer => layer).Append(head))
            matrix.Dispose();
    }

    private void Attend(
        int layer, int rows, (Tensor Tokens, Tensor Positions, Tensor Slots, Tensor Lengths, Tensor Blocks) inputs, int splits, Tensor? parts)
    {
        var (normed, mixed) = (Of(memory.Normed, rows), Of(memory.Mixed, rows));
        var (queries, keys, values) = (Heads(memory.Queries, rows), Heads(memory.Keys, rows), Heads(memory.Values, rows));
        Multiply(layer, LoraTarget.Query, normed, Of(memory.Queries, rows));
        Multiply(layer, LoraTarget.Key, normed, Of(memory.Keys, rows));
        Multiply(layer, LoraTarget.Value, normed, Of(memory.Values, rows));
        NormOutput(layer, LayerVector.QueryNorm, queries);
        NormOutput(layer, LayerVector.KeyNorm, keys);
        kernels.Rotate(queries, rotary[layer], inputs.Positions);
        kernels.Rotate(keys, rotary[layer], inputs.Positions);
        kernels.Store(keys, values, inputs.Slots, cache[layer]);
        kernels.Attend(queries, cache[layer], inputs.Blocks, inputs.Lengths, config.AttentionOf(layer).Window, splits, parts, mixed);
        Multiply(layer, LoraTarget.Output, mixed, Of(memory.Added, rows));
    }

    private void NormOutput(int layer, LayerVector vector, Tensor x)
    {
        if (Vector(layer, vector) is { } weight)
            kernels.RmsNorm(x, weight, x);
    }

    private void Multiply(int layer, LoraTarget target, Tensor x, Tensor into) => TorchCuda.Multiply(x, matrices[layer][(int)target], into);

    private Tensor? Vector(int layer, LayerVector vector) => weights.Vector(layer, vector);

    private Tensor Heads(Tensor x, int rows) => Of(x, rows).view(rows, -1, config.HeadSize);

    private static Tensor Of(Tensor x, int rows) => x.narrow(0, 0, rows);

    private static Tensor Turned(Tensor matrix) => matrix.t().DetachFromDisposeScope();
}
