using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Training.Gradients;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

/// <summary>
/// The activation memory that <see cref="AiFabric.Engine.Training.Planning.MemoryPlan"/> predicts, measured: native bytes in use after a forward whose
/// graph is alive, less those before. Weights and adapter are there before.
/// </summary>
internal sealed class MeasuredMemory : IDisposable
{
    private readonly DecoderWeights weights;
    private readonly TrainableAdapter adapter;
    private readonly RotaryTable rotary;
    private readonly TrainingSample sample;
    private readonly TrainingRecipe recipe;

    public MeasuredMemory(DecoderWeights weights, TrainingRecipe recipe, int tokens)
    {
        (this.weights, this.recipe) = (weights, recipe);
        adapter = new TrainableAdapter(recipe, weights);
        rotary = new RotaryTable(weights.Config, weights.Type, weights.Device);
        var random = new Random(1);
        int[] text = [.. Enumerable.Range(0, tokens + 1).Select(_ => random.Next(weights.Config.VocabularySize))];
        sample = TrainingSample.From(text, Enumerable.Repeat(true, tokens + 1).ToArray()) ?? throw new InvalidOperationException("Nothing learned.");
    }

    /// <summary>A whole sequence with the graph that gradients need, of the adapter alone or of all weights.</summary>
    public long Whole(bool allWeights)
    {
        Tensor[] frozen = [.. weights.Layers.SelectMany(layer => layer.All), weights.Embedding, weights.FinalNorm, weights.Head];
        foreach (Tensor tensor in frozen)
            tensor.requires_grad_(allWeights);
        try
        {
            RunWhole(sample.Count); // What the first run makes for good, such as the threads' work space
            return RunWhole(sample.Count);
        }
        finally
        {
            foreach (Tensor tensor in frozen)
                tensor.requires_grad_(false);
        }
    }

    /// <summary>What a job holds for a sequence, and beside it the larger of a window's loss and a layer's graph.</summary>
    public (long Sequence, long Window) Recomputed(int window)
    {
        long before = NativeHeap.BytesInUse;
        using var memory = new SequenceMemory(weights, sample.Count);
        long sequence = NativeHeap.BytesInUse - before;
        int start = sample.Count - window;
        long Largest() => Math.Max(Loss(memory, start, window), Layer(memory, start, window));
        _ = Largest();
        return (sequence, Largest());
    }

    public void Dispose()
    {
        adapter.Dispose();
        rotary.Dispose();
    }

    private long RunWhole(int count)
    {
        long before = NativeHeap.BytesInUse;
        using var scope = NewDisposeScope();
        var masks = LayerMasks.Causal(weights, 0, count);
        LayerAngles angles = rotary.Range(0, count);
        var part = new TrainingSample(sample.Inputs[..count], sample.Targets[..count], sample.Learned[..count]);
        Tensor x = weights.Embedding.index_select(0, tensor(part.Inputs));
        for (int layer = 0; layer < weights.Config.Layers; layer++)
        {
            Tensor next = Block(layer, 0, count, x, null, null, angles, masks).Output;
            x.Dispose();
            x = next;
        }

        using Tensor? loss = TrainingLoss.Sum(weights, x, part, 0);
        x.Dispose();
        return NativeHeap.BytesInUse - before;
    }

    private long Loss(SequenceMemory memory, int start, int count)
    {
        long before = NativeHeap.BytesInUse;
        using var scope = NewDisposeScope();
        Tensor hidden = memory.Input(weights.Config.Layers, start, count).detach().requires_grad_();
        _ = TrainingLoss.Sum(weights, hidden, sample, start);
        return NativeHeap.BytesInUse - before;
    }

    private long Layer(SequenceMemory memory, int start, int count)
    {
        long before = NativeHeap.BytesInUse;
        using var scope = NewDisposeScope();
        const int Middle = 1;
        var masks = LayerMasks.Causal(weights, start, count);
        LayerAngles angles = rotary.Range(start, count);
        Tensor gradient = zeros(count, weights.Config.HiddenSize, weights.Type);
        Tensor x = memory.Input(Middle, start, count).detach().requires_grad_();
        (Tensor keys, Tensor values) = memory.KeysAndValues(Middle, start);
        var result = Block(Middle, start, count, x, keys.detach().requires_grad_(), values.detach().requires_grad_(), angles, masks);
        GC.KeepAlive((gradient, result));
        return NativeHeap.BytesInUse - before;
    }

    private AdaptedLayerValues Block(
        int layer, int start, int count, Tensor x, Tensor? keysBefore, Tensor? valuesBefore, LayerAngles angles, LayerMasks masks)
    {
        var leaves = new List<Tensor>();
        var dropout = recipe.Method.Dropout == 0 ? null : new DropoutMasks(weights.Config, recipe.Method.Dropout, 1, 1, 1);
        LinearPatch?[] patches = adapter.Differentiable(layer, leaves);
        var block = new AdaptedLayer(
            weights.Config, weights.Layers[layer], patches, target => dropout?.Mask(layer, target, start, count, weights.Type, weights.Device));
        var result = block.Forward(x, keysBefore, valuesBefore, angles[layer], masks[layer]);
        if (keysBefore is not null)
            return result;
        // The graph keeps what it needs of them.
        foreach (Tensor value in (Tensor[])[result.Middle, result.Keys, result.Values, result.Gate, result.Up])
            value.Dispose();
        return result;
    }
}
