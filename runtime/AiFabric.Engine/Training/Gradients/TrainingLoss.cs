using AiFabric.Engine.Models;
using AiFabric.Engine.Training.Data;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training.Gradients;

/// <summary>Cross entropy of the next token over the learned positions of a window.</summary>
internal static class TrainingLoss
{
    // Rows of the head in one product: a thread takes a few milliseconds for 64 tokens.
    private const int Piece = 4096;

    /// <summary>Sum of the losses of a window.</summary>
    /// <param name="weights">Final norm and head.</param>
    /// <param name="hidden">[n, hidden]: the last layer's output, before the final norm.</param>
    /// <param name="sample">Gives targets and mask.</param>
    /// <param name="start">Position of the window's first token.</param>
    /// <returns>Scalar in Float32, or Float64 for a Float64 model, in nats, differentiable; null when no position of the window is learned.</returns>
    public static Tensor? Sum(BaseWeights weights, Tensor hidden, TrainingSample sample, int start)
    {
        using var scope = NewDisposeScope();
        if (Learned(weights, hidden, sample, start) is not var (normed, wanted))
            return null;
        Tensor logits = DecoderMath.SoftCap(nn.functional.linear(normed, weights.TrainingHead()), weights.Config.LogitSoftCap);
        return nn.functional.cross_entropy(Wide(logits), wanted, reduction: nn.Reduction.Sum).MoveToOuterDisposeScope();
    }

    /// <summary>The same and its gradient, computed without a graph, the head piece by piece.</summary>
    /// <param name="weights">Final norm and head.</param>
    /// <param name="hidden">[n, hidden]: the last layer's output, before the final norm; a leaf.</param>
    /// <param name="sample">Gives targets and mask.</param>
    /// <param name="start">Position of the window's first token.</param>
    /// <param name="between">Called between any two of the products.</param>
    /// <returns>The sum in nats, and its gradient by the hidden values, [n, hidden]; null when no position of the window is learned.</returns>
    public static (double Sum, Tensor Gradient)? Differentiate(BaseWeights weights, Tensor hidden, TrainingSample sample, int start, Action? between = null)
    {
        using var scope = NewDisposeScope();
        if (Learned(weights, hidden, sample, start) is not var (normed, wanted))
            return null;
        using var _ = no_grad();
        Tensor head = weights.TrainingHead();
        (Tensor log, Tensor? slope) = LogProbabilities(normed, head, weights.Config.LogitSoftCap, between);
        wanted = wanted.unsqueeze(1);
        double sum = -log.gather(1, wanted).to(ScalarType.Float64).sum().item<double>();
        // The loss by the logits: what the model gives each token, less one for the wanted one.
        Tensor gradient = log.exp_().scatter_add_(1, wanted, full_like(wanted, -1, dtype: log.dtype));
        if (slope is not null)
            gradient = gradient.mul_(slope);
        between?.Invoke();
        Tensor ofNormed = OfNormed(gradient.to(normed.dtype), head, between);
        return (sum, autograd.grad([normed], [hidden], [ofNormed.to(normed.dtype)])[0].MoveToOuterDisposeScope());
    }

    // [n, vocabulary] both; the second is a capped logit's derivative by what is under the cap.
    private static (Tensor Log, Tensor? Slope) LogProbabilities(Tensor normed, Tensor head, double? cap, Action? between)
    {
        using var scope = NewDisposeScope();
        Tensor logits = Wide(DecoderMath.SoftCap(Logits(normed, head, between), cap));
        Tensor log = nn.functional.log_softmax(logits, 1).MoveToOuterDisposeScope();
        return (log, cap is { } most ? (1 - (logits / most).square()).MoveToOuterDisposeScope() : null);
    }

    private static Tensor Logits(Tensor normed, Tensor head, Action? between)
    {
        Tensor logits = empty([normed.shape[0], head.shape[0]], dtype: normed.dtype, device: normed.device);
        for (long first = 0; first < head.shape[0]; first += Piece)
        {
            using var scope = NewDisposeScope();
            long count = Math.Min(Piece, head.shape[0] - first);
            _ = logits.narrow(1, first, count).addmm_(normed, head.narrow(0, first, count).t(), beta: 0, alpha: 1);
            between?.Invoke();
        }

        return logits;
    }

    private static Tensor OfNormed(Tensor gradient, Tensor head, Action? between)
    {
        // Added up as wide as the loss: each piece is rounded once.
        var wide = gradient.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        Tensor sum = zeros([gradient.shape[0], head.shape[1]], dtype: wide, device: gradient.device);
        for (long first = 0; first < head.shape[0]; first += Piece)
        {
            using var scope = NewDisposeScope();
            long count = Math.Min(Piece, head.shape[0] - first);
            (Tensor part, Tensor rows) = (gradient.narrow(1, first, count), head.narrow(0, first, count));
            _ = part.dtype == wide ? sum.addmm_(part, rows, beta: 1, alpha: 1) : sum.add_(matmul(part, rows));
            between?.Invoke();
        }

        return sum;
    }

    // The final norm of the rows that count, and the tokens they should give: the other rows skip the head, the largest product of a small model.
    private static (Tensor Normed, Tensor Wanted)? Learned(BaseWeights weights, Tensor hidden, TrainingSample sample, int start)
    {
        long[] rows = [.. Enumerable.Range(0, (int)hidden.shape[0]).Where(i => sample.Learned[start + i]).Select(i => (long)i)];
        if (rows.Length == 0)
            return null;
        Tensor learned = rows.Length == hidden.shape[0] ? hidden : hidden.index_select(0, tensor(rows, device: hidden.device));
        Tensor wanted = tensor([.. rows.Select(i => (long)sample.Targets[start + (int)i])], device: hidden.device);
        return (DecoderMath.RmsNorm(learned, weights.FinalNorm, weights.Config.NormEpsilon), wanted);
    }

    private static Tensor Wide(Tensor tensor) => tensor.dtype == ScalarType.Float64 ? tensor : tensor.to(ScalarType.Float32);
}
