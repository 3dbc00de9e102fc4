using AiFabric.Engine.Tokenization;
using AiFabric.Pretraining.Training;
using static TorchSharp.torch;

namespace AiFabric.Pretraining.Evaluation;

/// <summary>Continues a text, slowly and simply: the whole context is computed anew for each token.</summary>
internal sealed class Sampler(LlamaParameters parameters, HuggingFaceTokenizer tokenizer)
{
    private readonly LlamaForward forward = new(parameters, ScalarType.Float32);

    /// <summary>The continuation, without the prompt; it ends at the end mark or after <paramref name="tokens"/> tokens.</summary>
    public string Continue(string prompt, int tokens, double temperature, double topP, int seed)
    {
        var random = new Random(seed);
        int begin = tokenizer.BeginOfSequenceId ?? throw new InvalidDataException("The tokenizer has no begin mark.");
        List<int> ids = [begin, .. tokenizer.Encode(prompt)];
        int start = ids.Count;
        while (ids.Count < Math.Min(start + tokens, parameters.Config.MaximumPositions))
        {
            int next = Draw(NextLogits(ids), temperature, topP, random);
            if (next == tokenizer.EndOfSequenceId)
                break;
            ids.Add(next);
        }
        return tokenizer.Decode([.. ids.Skip(start)]);
    }

    private float[] NextLogits(List<int> ids)
    {
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        return forward.Logits(tensor(ids.Select(id => (long)id).ToArray()).unsqueeze(0))[0, -1].data<float>().ToArray();
    }

    private static int Draw(float[] logits, double temperature, double topP, Random random)
    {
        float top = logits.Max();
        double[] weights = [.. logits.Select(l => Math.Exp((l - top) / temperature))];
        double total = weights.Sum();
        int[] ranked = [.. Enumerable.Range(0, weights.Length).OrderByDescending(i => weights[i])];
        double kept = 0;
        int count = 0;
        while (count < ranked.Length && kept < topP * total)
            kept += weights[ranked[count++]];

        double drawn = random.NextDouble() * kept;
        foreach (int id in ranked.Take(count))
        {
            drawn -= weights[id];
            if (drawn <= 0)
                return id;
        }
        return ranked[0];
    }
}
