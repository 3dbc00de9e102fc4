using AiFabric.Engine.Tokenization;
using AiFabric.Pretraining.Training;
using static TorchSharp.torch;

namespace AiFabric.Pretraining.Evaluation;

/// <summary>How many bits a model needs for a text.</summary>
internal sealed class ModelScore(LlamaParameters parameters, HuggingFaceTokenizer tokenizer)
{
    private const long Ignored = -100;
    private readonly LlamaForward forward = new(parameters, ScalarType.Float32);

    /// <summary>
    /// The bits of a document and of its end mark. A window of the full context slides over it in half steps, so that beyond the first
    /// window every token is predicted from at least half a context.
    /// </summary>
    public double Bits(string text)
    {
        long begin = tokenizer.BeginOfSequenceId ?? throw new InvalidDataException("The tokenizer has no begin mark.");
        long end = tokenizer.EndOfSequenceId ?? throw new InvalidDataException("The tokenizer has no end mark.");
        long[] tokens = [.. tokenizer.Encode(text).Select(id => (long)id), end];
        int context = parameters.Config.MaximumPositions;
        int stride = context / 2;
        double nats = 0;
        for (int scored = 0; scored < tokens.Length;)
        {
            int first = scored == 0 ? 0 : scored - stride;
            int last = Math.Min(first + context, tokens.Length);
            nats += WindowNats(tokens, begin, first, scored, last);
            scored = last;
        }
        return nats / Math.Log(2);
    }

    private double WindowNats(long[] tokens, long begin, int first, int scored, int last)
    {
        using var scope = NewDisposeScope();
        long[] ids = [begin, .. tokens[first..(last - 1)]];
        long[] targets = [.. Enumerable.Range(first, last - first).Select(i => i < scored ? Ignored : tokens[i])];
        return forward.LossSum(tensor(ids).unsqueeze(0), tensor(targets).unsqueeze(0));
    }
}
