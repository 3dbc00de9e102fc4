using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Training.Planning;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training.Gradients;

/// <summary>
/// Backward of one layer over one window in two steps that take about equally long, so that there may be a wait between them: it is computed again, with a graph, which
/// this then holds; and it is differentiated.
/// </summary>
internal sealed class LayerBackward : IDisposable
{
    private readonly SequenceMemory memory;
    private readonly TrainableAdapter adapter;
    private readonly Action? between;
    private readonly int layer;
    private readonly WindowSpan window;
    private readonly List<Tensor> leaves = []; // the adapter's values
    private readonly Tensor x;
    private readonly Tensor? keysBefore;
    private readonly Tensor? valuesBefore;
    private readonly AdaptedLayerValues result;

    /// <summary>Computes the layer again.</summary>
    /// <param name="weights">The base model.</param>
    /// <param name="memory">Of the sequence.</param>
    /// <param name="adapter">Under training.</param>
    /// <param name="layer">Which layer.</param>
    /// <param name="window">The window.</param>
    /// <param name="angles">Of its positions.</param>
    /// <param name="mask">Of its attention; null for none.</param>
    /// <param name="dropout">What was dropped; null for nothing.</param>
    /// <param name="between">Called between any two of the larger operations.</param>
    public LayerBackward(
        BaseWeights weights, SequenceMemory memory, TrainableAdapter adapter, int layer, WindowSpan window, (Tensor Cos, Tensor Sin) angles, Tensor? mask,
        DropoutMasks? dropout, Action? between)
    {
        (this.memory, this.adapter, this.layer, this.window, this.between) = (memory, adapter, layer, window, between);
        using var scope = NewDisposeScope();
        // 1. Leaves: the layer's input, the earlier keys and values, the adapter's values.
        x = memory.Input(layer, window.Start, window.Count).detach().requires_grad_(layer > 0);
        if (window.Start > 0)
        {
            (Tensor keys, Tensor values) = memory.KeysAndValues(layer, window.Start);
            (keysBefore, valuesBefore) = (keys.detach().requires_grad_(), values.detach().requires_grad_());
        }

        LinearPatch?[] patches = adapter.Differentiable(layer, leaves);

        // 2. Recompute, with graph.
        var block = new AdaptedLayer(
            weights.Config, weights.TrainingLayer(layer), patches, target => dropout?.Mask(layer, target, window.Start, window.Count, weights.Type, weights.Device), between);
        result = block.Forward(x, keysBefore, valuesBefore, angles, mask);
        foreach (Tensor tensor in Held)
            tensor.DetachFromDisposeScope();
    }

    /// <summary>Adds the layer's gradients to the sums.</summary>
    /// <param name="gradient">[n, hidden]: the loss by the layer's output.</param>
    /// <returns>The loss by its input, [n, hidden]; empty for the first layer.</returns>
    public Tensor Differentiate(Tensor gradient)
    {
        using var scope = NewDisposeScope();
        // 1. The MLP by what lies above.
        int ofAttention = adapter.LeavesOfAttention(layer);
        bool goesOn = result.Middle.requires_grad;
        List<Tensor> leavesOfMlp = [.. leaves[ofAttention..], .. goesOn ? [result.Middle] : Array.Empty<Tensor>()];
        List<Tensor> ofMlp = leavesOfMlp.Count == 0 ? [] : [.. autograd.grad([result.Output], leavesOfMlp, [gradient])];
        between?.Invoke();

        // 2. Attention by that, and by what later windows made of these keys and values.
        List<Tensor> below = goesOn ? BelowMlp(ofMlp[^1], leaves[..ofAttention]) : [];

        // 3. Add up.
        using var _ = no_grad();
        int first = layer * leaves.Count; // Every layer has the same targets.
        for (int i = 0; i < leaves.Count; i++)
            adapter.Gradients[first + i].add_(i < ofAttention ? below[i] : ofMlp[i - ofAttention]);
        if (keysBefore is not null)
            memory.AddGradients(layer, below[ofAttention], below[ofAttention + 1]);
        return layer > 0 ? below[^1].detach().MoveToOuterDisposeScope() : zeros(0).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (Tensor tensor in Held)
            tensor.Dispose();
    }

    private IEnumerable<Tensor> Held =>
        [x, .. leaves, .. new[] { keysBefore, valuesBefore }.OfType<Tensor>(), result.Output, result.Middle, result.Keys, result.Values];

    private List<Tensor> BelowMlp(Tensor gradient, List<Tensor> inputs)
    {
        if (keysBefore is not null && valuesBefore is not null)
            inputs.AddRange([keysBefore, valuesBefore]);
        if (layer > 0)
            inputs.Add(x);
        (Tensor keys, Tensor values) = memory.Gradients(layer, window.Start, window.Count);
        var outputs = new List<Tensor> { result.Middle };
        var seeds = new List<Tensor> { gradient };
        // In the first layer keys and values may depend on no leaf: its input is none.
        foreach ((Tensor output, Tensor seed) in new[] { (result.Keys, keys), (result.Values, values) })
        {
            if (!output.requires_grad)
                continue;
            outputs.Add(output);
            seeds.Add(seed.to(output.dtype));
        }

        return [.. autograd.grad(outputs, inputs, seeds)];
    }
}
