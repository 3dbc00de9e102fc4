using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Training.Planning;

/// <summary>
/// Activation memory of one training sequence in three ways. Conventional: whole sequence, autograd keeps what gradients of all weights need.
/// Pruned: whole sequence, what the adapter's gradients need. Recomputed: what this engine does. It keeps each layer's input, keys, values and
/// their gradients (<see cref="SequenceBytes"/>), and beside them the pruned graph of one layer and one window at a time
/// (<see cref="WindowBytes"/>). Weights, adapter and optimizer are not activations; what a single operation holds for a moment is not counted.
/// </summary>
public sealed class MemoryPlan
{
    private const int LossBytes = 4; // Losses are computed in Float32 at least.
    private readonly DecoderConfig config;
    private readonly PeftMethod method;
    private readonly int elementBytes;

    /// <param name="config">The model.</param>
    /// <param name="method">What is trained.</param>
    /// <param name="elementBytes">Of an activation: 2 for BFloat16, 4 for Float32, 8 for Float64.</param>
    /// <param name="tokens">Tokens of the sequence.</param>
    /// <param name="window">Tokens of a window of backward.</param>
    public MemoryPlan(DecoderConfig config, PeftMethod method, int elementBytes, int tokens, int window)
    {
        (this.config, this.method, this.elementBytes) = (config, method, elementBytes);
        window = Math.Min(window, tokens);
        ConventionalBytes = Whole(tokens, allWeights: true);
        PrunedBytes = Whole(tokens, allWeights: false);
        SequenceBytes = Sequence(config, elementBytes, tokens);
        WindowBytes = Window(tokens, window);
    }

    public long ConventionalBytes { get; }

    public long PrunedBytes { get; }

    /// <summary>What a job holds as long as it runs: sized for its longest sequence.</summary>
    public long SequenceBytes { get; }

    /// <summary>The larger of a window's loss and its costliest layer.</summary>
    public long WindowBytes { get; }

    public long RecomputedBytes => SequenceBytes + WindowBytes;

    /// <summary>Part of the conventional memory that pruning and recomputation save.</summary>
    public double Saved => 1 - ((double)RecomputedBytes / ConventionalBytes);

    /// <summary>Layer inputs and the last output, keys and values, and gradients of keys and values, which are sums of Float32 at least.</summary>
    public static long Sequence(DecoderConfig config, int elementBytes, int tokens)
    {
        long keys = (long)config.KeyValueHeads * config.HeadSize;
        return tokens * (((config.Layers + 1L) * config.HiddenSize * elementBytes) + (2 * config.Layers * keys * (elementBytes + Math.Max(elementBytes, LossBytes))));
    }

    private long Whole(int tokens, bool allWeights)
    {
        var graph = new LayerGraph(config, method, elementBytes, allWeights);
        bool requires = allWeights; // An embedding that is not trained leaves the first layer's input without gradient.
        long bytes = Masks(tokens, tokens);
        for (int layer = 0; layer < config.Layers; layer++)
        {
            bytes += graph.Bytes(tokens, tokens, requires, inputIsKept: false);
            requires = graph.OutputRequires;
        }

        return bytes + Loss(graph, tokens, allWeights, isKept: false);
    }

    private long Window(int tokens, int window)
    {
        var graph = new LayerGraph(config, method, elementBytes, allWeights: false);
        long keys = (long)config.KeyValueHeads * config.HeadSize;
        // Its output and the gradient by that; and, behind earlier windows, its own keys and values beside those of all.
        long held = elementBytes * window * ((2L * config.HiddenSize) + (window < tokens ? 2 * keys : 0));
        long layer = graph.Bytes(window, tokens, inputRequires: true, inputIsKept: true) + held + Masks(window, tokens);
        return Math.Max(layer, Loss(graph, window, allWeights: false, isKept: true));
    }

    // Final norm, head and cross entropy.
    private long Loss(LayerGraph graph, long rows, bool allWeights, bool isKept) =>
        graph.NormBytes(rows, config.HiddenSize, 1, true, isKept)
        + (allWeights ? rows * config.HiddenSize * elementBytes : 0)
        + (rows * config.VocabularySize * (Math.Max(elementBytes, LossBytes) + (config.LogitSoftCap is null ? 0 : elementBytes)));

    // One for each kind of layer: rows of all heads of a group.
    private long Masks(long rows, long context)
    {
        int kinds = Enumerable.Range(0, config.Layers).Select(layer => config.AttentionOf(layer).Window ?? 0).Distinct().Count();
        return kinds * rows * context * (config.Heads / config.KeyValueHeads) * elementBytes;
    }
}
