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
    private readonly BaseWeights weights;
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
        (this.weights, this.memory, this.adapter, this.layer, this.window, this.between) = (weights, memory, adapter, layer, window, between);
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
        weights.TrainingLayer(layer); // Another job may have asked for another layer since: 8-bit weights are restored one at a time.
        var sums = new Tensor?[leaves.Count];
        (Tensor? middle, Tensor?[] below) = (OfMlp(gradient, sums), []);
        if (middle is not null)
            below = OfAttention(middle, sums);

        using var _ = no_grad();
        int first = layer * leaves.Count; // Every layer has the same targets.
        for (int i = 0; i < leaves.Count; i++)
            adapter.Gradients[first + i].add_(sums[i] ?? throw new InvalidOperationException($"Value {i} of layer {layer} has no part in its output."));
        if (keysBefore is not null)
            memory.AddGradients(layer, below[0]!, below[1]!);
        return layer > 0 ? below[^1]!.detach().MoveToOuterDisposeScope() : zeros(0).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (Tensor tensor in Held)
            tensor.Dispose();
    }

    private IEnumerable<Tensor> Held =>
        [x, .. leaves, .. new[] { keysBefore, valuesBefore }.OfType<Tensor>(), result.Output, result.Middle, result.Keys, result.Values, result.Gate, result.Up];

    // One matrix after the other, so that there may be something in between. The cuts are tensors that the graph keeps anyway.
    private Tensor? OfMlp(Tensor gradient, Tensor?[] sums)
    {
        Tensor?[] products = Grad([result.Output], [gradient], [result.Gate, result.Up], LoraTarget.Down, sums);
        // Both matrices read the same norm: the first leaves it to the second.
        Tensor? ofUp = Grad([result.Up], [products[1]], [result.Middle], LoraTarget.Up, sums, keeps: true)[0];
        Tensor? ofGate = Grad([result.Gate], [products[0]], [result.Middle], LoraTarget.Gate, sums)[0];
        // The layer's output is what the MLP reads, and what it makes of that.
        return ofUp is null || ofGate is null ? null : gradient + ofUp + ofGate;
    }

    // Attention by that, and by what later windows made of these keys and values.
    private Tensor?[] OfAttention(Tensor middle, Tensor?[] sums)
    {
        (Tensor keys, Tensor values) = memory.Gradients(layer, window.Start, window.Count);
        List<Tensor> inputs = keysBefore is null || valuesBefore is null ? [] : [keysBefore, valuesBefore];
        // In the first layer keys and values may depend on no leaf: its input is none.
        return Grad([result.Middle, result.Keys, result.Values], [middle, keys, values], [.. inputs, x], LoraTarget.Query, sums, LoraTarget.Output);
    }

    // By the inputs; null for what needs none. The gradients of the adapter's values at matrices from the first to the last go to the sums.
    private Tensor?[] Grad(Tensor[] outputs, Tensor?[] seeds, Tensor[] inputs, LoraTarget first, Tensor?[] sums, LoraTarget? last = null, bool keeps = false)
    {
        var of = Enumerable.Range(0, outputs.Length).Where(i => outputs[i].requires_grad && seeds[i] is not null).ToArray();
        int begin = adapter.LeavesBefore(layer, first), end = adapter.LeavesBefore(layer, (last ?? first) + 1);
        List<Tensor> wanted = [.. inputs.Where(input => input.requires_grad), .. leaves[begin..end]];
        var found = new Tensor?[inputs.Length];
        if (of.Length == 0 || wanted.Count == 0)
            return found;
        var gradients = new Queue<Tensor>(autograd.grad(
            [.. of.Select(i => outputs[i])], wanted, [.. of.Select(i => seeds[i]!.to(outputs[i].dtype))], retain_graph: keeps));
        for (int i = 0; i < inputs.Length; i++)
            found[i] = inputs[i].requires_grad ? gradients.Dequeue() : null;
        for (int i = begin; i < end; i++)
            sums[i] = gradients.Dequeue();
        between?.Invoke();
        return found;
    }
}
