using AiFabric.Engine.Models;
using AiFabric.Engine.Training.Data;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training.Gradients;

/// <summary>Cross entropy of the next token over the learned positions of a window.</summary>
internal static class TrainingLoss
{
    /// <summary>Sum of the losses of a window, differentiable.</summary>
    /// <param name="weights">Final norm and head.</param>
    /// <param name="hidden">[n, hidden]: the last layer's output, before the final norm.</param>
    /// <param name="sample">Gives targets and mask.</param>
    /// <param name="start">Position of the window's first token.</param>
    /// <param name="between">Called behind the head's product.</param>
    /// <returns>Scalar in Float32, or Float64 for a Float64 model, in nats; null when no position of the window is learned.</returns>
    public static Tensor? Sum(BaseWeights weights, Tensor hidden, TrainingSample sample, int start, Action? between = null)
    {
        var rows = new List<long>();
        var targets = new List<long>();
        for (int i = 0; i < hidden.shape[0]; i++)
        {
            if (!sample.Learned[start + i])
                continue;
            rows.Add(i);
            targets.Add(sample.Targets[start + i]);
        }

        if (rows.Count == 0)
            return null;
        using var scope = NewDisposeScope();
        // Rows that do not count skip the head, the largest product of a small model.
        Tensor learned = rows.Count == hidden.shape[0] ? hidden : hidden.index_select(0, tensor(rows.ToArray(), device: hidden.device));
        Tensor logits = nn.functional.linear(DecoderMath.RmsNorm(learned, weights.FinalNorm, weights.Config.NormEpsilon), weights.TrainingHead());
        between?.Invoke();
        logits = DecoderMath.SoftCap(logits, weights.Config.LogitSoftCap);
        if (logits.dtype != ScalarType.Float64)
            logits = logits.to(ScalarType.Float32);
        Tensor wanted = tensor(targets.ToArray(), device: hidden.device);
        return nn.functional.cross_entropy(logits, wanted, reduction: nn.Reduction.Sum).MoveToOuterDisposeScope();
    }
}
