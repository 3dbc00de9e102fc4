using AiFabric.Engine.Models;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Training.Planning;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training.Gradients;

/// <summary>
/// Backward of one window after the other, one layer recomputed at a time; between two steps it may wait. Windows run last to first: what a window's
/// keys and values did to later positions is then complete when the window's turn comes, because attention is causal. The sums over all
/// windows equal the gradients of the whole sequence.
/// </summary>
internal sealed class BackwardPass(BaseWeights weights, RotaryTable rotary, SequenceMemory memory, TrainableAdapter adapter) : IDisposable
{
    /// <summary>A layer is two steps: <see cref="LayerBackward"/>.</summary>
    public const int StepsOfLayer = 2;

    private LayerBackward? open; // of the layer that was computed again and not yet differentiated
    private Tensor? gradient; // [n, hidden]: the loss by the output of the next layer; null between two windows
    private TrainingSample? sample;
    private DropoutMasks? dropped;
    private Action? between;

    /// <summary>The window under way, or the last one.</summary>
    public WindowSpan Window { get; private set; }

    /// <summary>Factor on the losses of the window under way, or of the last one.</summary>
    public double Scale { get; private set; }

    /// <summary>Tokens of the window under way whose loss is still due.</summary>
    public int LossLeft { get; private set; }

    /// <summary>Steps that the window under way still needs; 0 between two windows.</summary>
    public int StepsLeft { get; private set; }

    /// <summary>Begins a window.</summary>
    /// <param name="sequence">The sequence, whose forward windows are all in memory.</param>
    /// <param name="window">The last window that had no backward yet.</param>
    /// <param name="lossScale">Factor on the loss: 1 / learned tokens of the batch.</param>
    /// <param name="dropout">What the sequence's forward windows dropped; null for nothing.</param>
    public void Begin(TrainingSample sequence, WindowSpan window, double lossScale, DropoutMasks? dropout = null)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        Dispose();
        gradient = zeros_like(memory.Input(weights.Config.Layers, window.Start, window.Count)).DetachFromDisposeScope();
        (sample, Scale, dropped) = (sequence, lossScale, dropout);
        (Window, LossLeft, StepsLeft) = (window, window.Count, StepsOfLayer * weights.Config.Layers);
    }

    /// <summary>Goes on with the window under way.</summary>
    /// <param name="lossTokens">Tokens at most whose loss is computed: the head's product is as large as several layers'.</param>
    /// <param name="steps">Steps at most, when all losses are there.</param>
    /// <param name="pause">Called between any two of the larger operations.</param>
    /// <returns>The loss of those tokens, scaled. The window is done when <see cref="StepsLeft"/> is 0.</returns>
    /// <exception cref="InvalidOperationException">No window is under way.</exception>
    public double Continue(int lossTokens, int steps, Action? pause = null)
    {
        between = pause;
        // The engine's thread runs without gradients; both switches are the thread's own.
        using var _ = enable_grad();
        using var scope = NewDisposeScope();
        double loss = Loss(Math.Min(lossTokens, LossLeft));
        if (LossLeft == 0)
            Descend(Math.Min(steps, StepsLeft));
        return loss;
    }

    public void Dispose()
    {
        Close();
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
        if (TrainingLoss.Differentiate(weights, hidden, sample, Window.Start + first, between) is not var (sum, ofHidden))
            return 0;
        using (no_grad())
            Gradient.narrow(0, first, tokens).copy_(ofHidden * Scale);
        return sum * Scale;
    }

    private void Descend(int steps)
    {
        LayerMasks? masks = null;
        LayerAngles angles = default;
        for (int end = StepsLeft - steps; StepsLeft > end; StepsLeft--)
        {
            int layer = (StepsLeft - 1) / StepsOfLayer;
            if (open is null)
            {
                if (masks is null)
                    (masks, angles) = (LayerMasks.Causal(weights, Window.Start, Window.Count), rotary.Range(Window.Start, Window.Count));
                open = new LayerBackward(weights, memory, adapter, layer, Window, angles[layer], masks[layer], dropped, between);
                continue;
            }

            Tensor above = Gradient;
            gradient = open.Differentiate(above).DetachFromDisposeScope();
            above.Dispose();
            Close();
        }

        if (StepsLeft == 0)
            Dispose();
    }

    private void Close()
    {
        open?.Dispose();
        open = null;
    }
}
