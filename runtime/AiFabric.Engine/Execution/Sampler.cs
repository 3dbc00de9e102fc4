using System.Numerics;
using AiFabric.Engine.Constraints;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;

namespace AiFabric.Engine.Execution;

/// <summary>
/// Draws tokens from logits: biases, penalties, the request's constraint, temperature, top-k, top-p, min-p, then one draw whose random number depends only on the
/// sequence's seed and the token's place in the output, not on what else is in the batch. Not thread safe.
/// </summary>
/// <param name="vocabulary">Size of the vocabulary.</param>
/// <param name="unused">Ids that are no token. An answer with one could not be spelled, so that they get no part of the distribution, and none of the log probabilities either.</param>
internal sealed class Sampler(int vocabulary, int[] unused)
{
    /// <summary>What a row gets instead of a token when its logits are no numbers. Rows do not touch each other, so that it says nothing of the others of its batch.</summary>
    public static readonly SampledToken NotFinite = new(-1, null, null)
    {
        Failure = "The model's logits are not finite numbers: its weights, or those of the request's adapter, are damaged or too large.",
    };

    private readonly Candidates candidates = new(vocabulary);
    private readonly int[] occurrences = new int[vocabulary];

    /// <summary>Whether all that a batch asks for is the most likely token of each row, so that <see cref="Sample"/> would only look for the largest logit.</summary>
    public static bool TakesMostLikely(Batch batch) => TakesMostLikely(batch.DecodeRows) && TakesMostLikely(batch.PromptChunks);

    /// <summary>Draws the next token of a sequence.</summary>
    /// <param name="logits">[vocab]; overwritten.</param>
    /// <param name="sequence">Its parameters, tokens so far and seed.</param>
    /// <param name="ahead">How many of its drafts count as tokens so far: those accepted before this draw.</param>
    /// <returns>The token; or a failure, where the logits are not finite or the constraint lets no token pass.</returns>
    public SampledToken Sample(Span<float> logits, Sequence sequence, int ahead = 0)
    {
        // Here for every pass that sends logits, behind its soft cap, which would make numbers of infinities. A pass that sends tokens leaves these out itself (IGreedyPass).
        foreach (int id in unused)
            logits[id] = float.NegativeInfinity;
        var parameters = sequence.Request.Sampling;
        var logprobs = sequence.Request.TopLogprobs is { } top ? Logprobs.Of(logits, top) : null;
        var tokens = sequence.TokensAndDrafts[..(sequence.Tokens.Length + ahead)];
        ApplyBiases(logits, sequence.Request, tokens.Length - sequence.PromptCount);
        ApplyPenalties(logits, tokens, sequence.PromptCount, parameters);
        if (sequence.Matcher is { } matcher && !Constrain(logits, tokens[sequence.PromptCount..], matcher, sequence.Request.StopTokens))
            return new SampledToken(-1, null, null) { Failure = "No token of the vocabulary can continue the answer in the format that the request asks for." };
        int? token = parameters.Temperature <= 0
            ? Greedy(logits)
            : Draw(logits, parameters, CounterRandom.NextDouble(sequence.Seed, sequence.OutputCount + ahead));
        return token is { } drawn ? new SampledToken(drawn, logprobs?.Of(drawn), logprobs?.Top) : NotFinite;
    }

    // Whatever Sample does to logits must be excluded here.
    private static bool TakesMostLikely(List<BatchRows> rows)
    {
        foreach (var row in rows)
        {
            if (!row.Samples)
                continue;
            var (request, parameters) = (row.Sequence.Request, row.Sequence.Request.Sampling);
            bool plain = parameters is { RepetitionPenalty: 1, FrequencyPenalty: 0, PresencePenalty: 0, Temperature: <= 0 };
            bool free = request.Constraint is null && parameters is { Biases.Count: 0, MinTokens: 0 };
            if (!plain || !free || request.TopLogprobs is not null)
                return false;
        }
        return true;
    }

    // A sequence whose guessed tokens were wrong comes back with another output: the matcher follows it there.
    private static bool Constrain(Span<float> logits, ReadOnlySpan<int> output, TokenMatcher matcher, IReadOnlyList<int> stops) =>
        matcher.Follow(output) && matcher.Mask(logits, stops);

    private static void ApplyBiases(Span<float> logits, GenerationRequest request, int outputCount)
    {
        var biases = request.Sampling.Biases;
        for (int i = 0; i < biases.Count; i++)
            logits[biases[i].Token] += biases[i].Bias;
        var stops = request.StopTokens;
        for (int i = 0; i < stops.Count && outputCount < request.Sampling.MinTokens; i++)
            logits[stops[i]] = float.NegativeInfinity;
    }

    // The first of the largest; what is not a number is none of them. Null where there is no largest.
    private static int? Greedy(ReadOnlySpan<float> logits)
    {
        float most = float.NegativeInfinity;
        int i = 0;
        if (logits.Length >= Vector<float>.Count)
        {
            var largest = new Vector<float>(most);
            for (; i + Vector<float>.Count <= logits.Length; i += Vector<float>.Count)
            {
                var next = new Vector<float>(logits[i..]);
                largest = Vector.ConditionalSelect(Vector.GreaterThan(next, largest), next, largest);
            }
            for (int lane = 0; lane < Vector<float>.Count; lane++)
                most = largest[lane] > most ? largest[lane] : most;
        }
        for (; i < logits.Length; i++)
            most = logits[i] > most ? logits[i] : most;
        return float.IsFinite(most) ? logits.IndexOf(most) : null;
    }

    private int? Draw(ReadOnlySpan<float> logits, SamplingParameters parameters, double uniform)
    {
        candidates.Fill(logits, parameters.Temperature, parameters.TopK);
        if (!double.IsFinite(candidates.Total) || candidates.Total <= 0)
            return null;
        candidates.KeepTopP(parameters.TopP);
        candidates.KeepMinP(parameters.MinP);
        return candidates.At(uniform);
    }

    private void ApplyPenalties(Span<float> logits, ReadOnlySpan<int> tokens, int promptCount, SamplingParameters parameters)
    {
        var output = tokens[promptCount..];
        if (parameters.RepetitionPenalty != 1)
            Repetition(logits, tokens, (float)parameters.RepetitionPenalty);
        if (parameters.FrequencyPenalty == 0 && parameters.PresencePenalty == 0)
            return;
        foreach (int token in output)
            occurrences[token]++;
        foreach (int token in output)
        {
            if (occurrences[token] > 0)
                logits[token] -= (float)((parameters.FrequencyPenalty * occurrences[token]) + parameters.PresencePenalty);
            occurrences[token] = 0;
        }
    }

    private void Repetition(Span<float> logits, ReadOnlySpan<int> tokens, float penalty)
    {
        foreach (int token in tokens)
        {
            if (occurrences[token]++ == 0)
                logits[token] = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty;
        }
        foreach (int token in tokens)
            occurrences[token] = 0;
    }
}
