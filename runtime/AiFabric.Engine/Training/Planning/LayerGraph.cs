using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Training.Planning;

/// <summary>
/// What autograd keeps of a decoder block's forward for its backward, counted operation by operation. An operation keeps an operand only if the
/// other one wants a gradient, so that with frozen weights most inputs of matrices are not kept: graph pruning (arXiv 2402.18789, section 5).
/// </summary>
/// <param name="config">The model.</param>
/// <param name="method">What is trained.</param>
/// <param name="elementBytes">Of an activation: 2, 4 or 8. Norms compute in 4 at least.</param>
/// <param name="allWeights">Whether the base model's weights want gradients too.</param>
internal sealed class LayerGraph(DecoderConfig config, PeftMethod method, int elementBytes, bool allWeights)
{
    private const int StatisticsBytes = 4;
    private readonly int queries = config.Heads * config.HeadSize;
    private readonly int keys = config.KeyValueHeads * config.HeadSize;
    private long bytes;

    /// <summary>Whether the block's output wants a gradient, as of the last <see cref="Bytes"/>.</summary>
    public bool OutputRequires { get; private set; }

    /// <summary>Bytes kept of one block.</summary>
    /// <param name="rows">Rows that go through it.</param>
    /// <param name="context">Keys that they see, their own among them.</param>
    /// <param name="inputRequires">Whether its input wants a gradient.</param>
    /// <param name="inputIsKept">Whether somebody else keeps its input anyway.</param>
    public long Bytes(long rows, long context, bool inputRequires, bool inputIsKept)
    {
        bytes = 0;
        bool any = Attention(rows, context, inputRequires, inputIsKept);
        any |= Linear(rows, LoraTarget.Output, any, inputIsKeptToo: config.Heads == config.KeyValueHeads && any);
        if (config.OutputNorms)
            Norm(rows, config.HiddenSize, 1, any, isKept: false);
        OutputRequires = Mlp(rows, inputRequires || any);
        return bytes;
    }

    /// <summary>Bytes kept of a norm.</summary>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Numbers of a row.</param>
    /// <param name="norms">Norms in a row.</param>
    /// <param name="requires">Whether its input wants a gradient.</param>
    /// <param name="isKept">Whether somebody else keeps its input anyway.</param>
    public long NormBytes(long rows, long width, long norms, bool requires, bool isKept)
    {
        if (!requires && !allWeights)
            return 0;
        int wide = Math.Max(elementBytes, StatisticsBytes);
        long input = isKept && wide == elementBytes ? 0 : rows * width * wide;
        return input + (rows * norms * wide) + (allWeights ? rows * width * elementBytes : 0);
    }

    // Whether the mixed values want a gradient.
    private bool Attention(long rows, long context, bool inputRequires, bool inputIsKept)
    {
        Norm(rows, config.HiddenSize, 1, inputRequires, inputIsKept);
        KeepInput(rows, config.HiddenSize, LoraTarget.Query, LoraTarget.Key, LoraTarget.Value);
        bool query = Linear(rows, LoraTarget.Query, inputRequires, true), key = Linear(rows, LoraTarget.Key, inputRequires, true);
        bool value = Linear(rows, LoraTarget.Value, inputRequires, true);
        if (config.QueryKeyNorms)
        {
            Norm(rows, queries, config.Heads, query, isKept: false);
            Norm(rows, keys, config.KeyValueHeads, key, isKept: false);
        }

        if (!(query || key || value))
            return false;
        Keep((rows * queries) + (2 * context * keys)); // as attention reads them
        if (config.AttentionSoftCap is null)
            Keep(rows * queries, rows * config.Heads * Math.Max(elementBytes, StatisticsBytes)); // its output, and a number for each softmax
        else
            Keep(2 * rows * config.Heads * context); // tanh of the scores, and weights
        return true;
    }

    // Whether the block's output wants a gradient.
    private bool Mlp(long rows, bool requires)
    {
        Norm(rows, config.HiddenSize, 1, requires, isKept: false);
        KeepInput(rows, config.HiddenSize, LoraTarget.Gate, LoraTarget.Up);
        bool gate = Linear(rows, LoraTarget.Gate, requires, true), up = Linear(rows, LoraTarget.Up, requires, true);
        // The activation keeps its input (GELU by tanh a sigmoid besides), the product its two factors.
        int ofGate = config.Activation == Activation.Silu ? 1 : 2;
        Keep((long)config.IntermediateSize * rows * ((gate ? ofGate + 1 : 0) + (up ? 1 : 0)));
        bool down = Linear(rows, LoraTarget.Down, gate || up, inputIsKeptToo: false);
        if (config.OutputNorms)
            Norm(rows, config.HiddenSize, 1, down, isKept: false);
        return requires || down;
    }

    // Whether a linear layer's output wants a gradient.
    private bool Linear(long rows, LoraTarget target, bool inputRequires, bool inputIsKeptToo)
    {
        (int input, int output) = PeftFolder.Shape(config, target);
        if (!inputIsKeptToo)
            KeepInput(rows, input, target);
        if (!method.EffectiveTargets.Contains(target))
            return inputRequires || allWeights;
        Keep(rows * method.Keeps(target, input, output, allWeights).Numbers);
        return true;
    }

    // A matrix's input is kept once for all that read it.
    private void KeepInput(long rows, long width, params ReadOnlySpan<LoraTarget> readers)
    {
        bool kept = allWeights;
        foreach (LoraTarget target in readers)
            kept |= method.EffectiveTargets.Contains(target) && method.Keeps(target, 1, 1, allWeights).Input;
        if (kept)
            Keep(rows * width);
    }

    private void Norm(long rows, long width, long norms, bool requires, bool isKept) => bytes += NormBytes(rows, width, norms, requires, isKept);

    private void Keep(long numbers, long otherBytes = 0) => bytes += (numbers * elementBytes) + otherBytes;
}
