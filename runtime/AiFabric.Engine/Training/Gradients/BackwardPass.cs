using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Training.Planning;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training.Gradients;

/// <summary>
/// Backward of one window after the other, one layer recomputed at a time; between two layers it may wait. Windows run last to first: what a window's
/// keys and values did to later positions is then complete when the window's turn comes, because attention is causal. The sums over all
/// windows equal the gradients of the whole sequence.
/// </summary>
internal sealed class BackwardPass(BaseWeights weights, RotaryTable rotary, SequenceMemory memory, TrainableAdapter adapter) : IDisposable
{
    private Tensor? gradient; // [n, hidden]: the loss by the output of the next layer; null between two windows
    private TrainingSample? sample;
    private DropoutMasks? dropped;

    /// <summary>The window under way, or the last one.</summary>
    public WindowSpan Window { get; private set; }

    /// <summary>Factor on the losses of the window under way, or of the last one.</summary>
    public double Scale { get; private set; }

    /// <summary>Tokens of the window under way whose loss is still due.</summary>
    public int LossLeft { get; private set; }

    /// <summary>Layers that the window under way still needs; 0 between two windows.</summary>
    public int LayersLeft { get; private set; }

    /// <summary>Begins a window.</summary>
    /// <param name="sequence">The sequence, whose forward windows are all in memory.</param>
    /// <param name="window">The last window that had no backward yet.</param>
    /// <param name="lossScale">Factor on the loss: 1 / learned tokens of the batch.</param>
    /// <param name="dropout">What the sequence's forward windows dropped; null for nothing.</param>
    public void Begin(TrainingSample sequence, WindowSpan window, double lossScale, DropoutMasks? dropout = null)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        gradient?.Dispose();
        gradient = zeros_like(memory.Input(weights.Config.Layers, window.Start, window.Count)).DetachFromDisposeScope();
        (sample, Scale, dropped) = (sequence, lossScale, dropout);
        (Window, LossLeft, LayersLeft) = (window, window.Count, weights.Config.Layers);
    }

    /// <summary>Goes on with the window under way.</summary>
    /// <param name="lossTokens">Tokens at most whose loss is computed: the head's product is as large as several layers'.</param>
    /// <param name="layers">Layers at most whose part is added to the adapter's gradients, when all losses are there.</param>
    /// <returns>The loss of those tokens, scaled. The window is done when <see cref="LayersLeft"/> is 0.</returns>
    /// <exception cref="InvalidOperationException">No window is under way.</exception>
    public double Continue(int lossTokens, int layers)
    {
        // The engine's thread runs without gradients; both switches are the thread's own.
        using var _ = enable_grad();
        using var scope = NewDisposeScope();
        double loss = Loss(Math.Min(lossTokens, LossLeft));
        if (LossLeft == 0)
            Descend(Math.Min(layers, LayersLeft));
        return loss;
    }

    public void Dispose()
    {
        gradient?.Dispose();
        gradient = null;
    }

    private Tensor Gradient => gradient ?? throw new InvalidOperationException("No window is under way.");

    /// <summary>Loss of the next tokens, and its gradient by the last layer's output.</summary>
    private double Loss(int tokens)
    {
        if (tokens == 0 || sample is null)
            return 0;
        int first = Window.Count - LossLeft;
        LossLeft -= tokens;
        Tensor hidden = memory.Input(weights.Config.Layers, Window.Start + first, tokens).detach().requires_grad_();
        if (TrainingLoss.Sum(weights, hidden, sample, Window.Start + first) is not { } sum)
            return 0;
        Tensor loss = sum * Scale;
        using (no_grad())
            Gradient.narrow(0, first, tokens).copy_(autograd.grad([loss], [hidden])[0]);
        return loss.detach().to(ScalarType.Float64).item<double>();
    }

    private void Descend(int layers)
    {
        if (layers == 0)
            return;
        var masks = LayerMasks.Causal(weights, Window.Start, Window.Count);
        var angles = rotary.Range(Window.Start, Window.Count);
        for (int end = LayersLeft - layers; LayersLeft > end; LayersLeft--)
        {
            Tensor above = Gradient;
            gradient = LayerGradients(LayersLeft - 1, Window, above, angles[LayersLeft - 1], masks[LayersLeft - 1], dropped).DetachFromDisposeScope();
            above.Dispose();
        }

        if (LayersLeft == 0)
            Dispose();
    }

    /// <summary>Adds one layer's gradients to the sums and returns the gradient by its input, [n, hidden].</summary>
    private Tensor LayerGradients(
        int layer, WindowSpan window, Tensor gradient, (Tensor Cos, Tensor Sin) angles, Tensor? mask, DropoutMasks? dropout)
    {
        using var scope = NewDisposeScope();
        // 1. Leaves: the layer's input, the earlier keys and values, the adapter's values.
        Tensor x = memory.Input(layer, window.Start, window.Count).detach().requires_grad_(layer > 0);
        Tensor? keysBefore = null, valuesBefore = null;
        if (window.Start > 0)
        {
            (Tensor keys, Tensor values) = memory.KeysAndValues(layer, window.Start);
            (keysBefore, valuesBefore) = (keys.detach().requires_grad_(), values.detach().requires_grad_());
        }

        var leaves = new List<Tensor>();
        LinearPatch?[] patches = adapter.Differentiable(layer, leaves);

        // 2. Recompute, with graph.
        var block = new AdaptedLayer(
            weights.Config, weights.TrainingLayer(layer), patches,
            target => dropout?.Mask(layer, target, window.Start, window.Count, weights.Type, weights.Device));
        (Tensor Output, Tensor Keys, Tensor Values) result = block.Forward(x, keysBefore, valuesBefore, angles, mask);

        // 3. Differentiate: by what lies above, and by what later windows made of these keys and values.
        int adapterLeaves = leaves.Count;
        if (keysBefore is not null && valuesBefore is not null)
            leaves.AddRange([keysBefore, valuesBefore]);
        if (layer > 0)
            leaves.Add(x);
        (List<Tensor> outputs, List<Tensor> seeds) = Seeds(layer, window, gradient, result);
        IList<Tensor> gradients = autograd.grad(outputs, leaves, seeds);

        // 4. Add up.
        return Accumulate(layer, gradients, adapterLeaves, window.Start > 0);
    }

    /// <summary>Outputs that depend on a leaf, and their gradients. In the first layer keys may not: its input is no leaf.</summary>
    private (List<Tensor> Outputs, List<Tensor> Seeds) Seeds(
        int layer, WindowSpan window, Tensor gradient, (Tensor Output, Tensor Keys, Tensor Values) result)
    {
        (Tensor keys, Tensor values) = memory.Gradients(layer, window.Start, window.Count);
        var outputs = new List<Tensor> { result.Output };
        var seeds = new List<Tensor> { gradient };
        if (result.Keys.requires_grad)
        {
            outputs.Add(result.Keys);
            seeds.Add(keys.to(weights.Type));
        }

        if (result.Values.requires_grad)
        {
            outputs.Add(result.Values);
            seeds.Add(values.to(weights.Type));
        }

        return (outputs, seeds);
    }

    private Tensor Accumulate(int layer, IList<Tensor> gradients, int adapterLeaves, bool earlier)
    {
        using var _ = no_grad();
        int first = layer * adapterLeaves; // Every layer has the same targets.
        for (int i = 0; i < adapterLeaves; i++)
            adapter.Gradients[first + i].add_(gradients[i]);
        if (earlier)
            memory.AddGradients(layer, gradients[adapterLeaves], gradients[adapterLeaves + 1]);
        return layer > 0 ? gradients[^1].detach().MoveToOuterDisposeScope() : zeros(0).MoveToOuterDisposeScope();
    }
}
