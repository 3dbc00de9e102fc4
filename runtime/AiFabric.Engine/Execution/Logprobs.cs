using AiFabric.Engine.Requests;

namespace AiFabric.Engine.Execution;

/// <summary>Natural log probabilities of the model's own distribution, before penalties, temperature and filters.</summary>
internal sealed class Logprobs
{
    private readonly float[] logits;
    private readonly double normalizer;

    private Logprobs(float[] logits, double normalizer, IReadOnlyList<TokenProbability> top)
    {
        (this.logits, this.normalizer, Top) = (logits, normalizer, top);
    }

    /// <summary>The most likely tokens, most likely first, lower ids first among equals.</summary>
    public IReadOnlyList<TokenProbability> Top { get; }

    public static Logprobs Of(ReadOnlySpan<float> logits, int top)
    {
        float most = float.NegativeInfinity;
        foreach (float logit in logits)
            most = Math.Max(most, logit);
        double sum = 0;
        foreach (float logit in logits)
            sum += Math.Exp(logit - most);
        double normalizer = most + Math.Log(sum);
        return new Logprobs(logits.ToArray(), normalizer, TopOf(logits, top, normalizer));
    }

    public double Of(int token) => logits[token] - normalizer;

    private static TokenProbability[] TopOf(ReadOnlySpan<float> logits, int top, double normalizer)
    {
        var found = new TokenProbability[Math.Min(top, logits.Length)];
        int count = 0;
        for (int token = 0; token < logits.Length && found.Length > 0; token++)
        {
            double logprob = logits[token] - normalizer;
            if (count == found.Length && logprob <= found[^1].Logprob)
                continue;
            int place = count < found.Length ? count++ : count - 1;
            for (; place > 0 && found[place - 1].Logprob < logprob; place--)
                found[place] = found[place - 1];
            found[place] = new TokenProbability(token, logprob);
        }
        return found;
    }
}
