using AiFabric.Engine.Execution;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using CsCheck;
using Xunit;

namespace AiFabric.Engine.Tests.Execution;

public sealed class SamplerTests
{
    private const int Draws = 20_000;

    [Fact]
    public void Zero_temperature_takes_the_most_likely_and_the_lowest_id_among_equals()
    {
        Assert.Equal(2, One([0, 1, 5, 5, 4], new SamplingParameters { Temperature = 0 }));
    }

    [Fact]
    public void Zero_temperature_finds_the_most_likely_in_vocabularies_of_every_size_and_passes_over_what_is_no_number()
    {
        for (int size = 1; size <= 70; size++)
        {
            for (int best = 0; best < size; best++)
            {
                float[] logits = [.. Enumerable.Range(0, size).Select(i => i == best ? -1f : (i + best) % 7 == 3 ? float.NaN : -2f - i)];
                Assert.Equal(best, One(logits, new SamplingParameters { Temperature = 0 }));
            }
        }
    }

    [Fact]
    public void Draws_follow_the_softmax()
    {
        float[] logits = [0, 1, 2, float.NegativeInfinity];
        double total = Math.Exp(0) + Math.Exp(1) + Math.Exp(2);

        double[] found = Frequencies(logits, new SamplingParameters());

        for (int i = 0; i < 3; i++)
            Assert.Equal(Math.Exp(i) / total, found[i], 0.015);
        Assert.Equal(0, found[3]);
    }

    [Fact]
    public void Temperature_divides_the_logits()
    {
        double[] found = Frequencies([0, 1], new SamplingParameters { Temperature = 0.5 });

        Assert.Equal(1 / (1 + Math.Exp(-2)), found[1], 0.015);
    }

    [Theory]
    [InlineData(1, 0b00100)]
    [InlineData(2, 0b10100)]
    [InlineData(3, 0b10101)] // 0 and 1 are equal: the lower id stays
    [InlineData(9, 0b11111)]
    [InlineData(0, 0b11111)]
    public void Top_k_keeps_the_k_most_likely(int k, int kept)
    {
        Assert.Equal(kept, Support([1, 1, 3, 0.5f, 2], new SamplingParameters { TopK = k }));
    }

    [Theory]
    [InlineData(0.0, 0b0001)]
    [InlineData(0.49, 0b0001)]
    [InlineData(0.51, 0b0011)]
    [InlineData(0.74, 0b0011)]
    [InlineData(0.76, 0b0111)]
    [InlineData(1.0, 0b1111)]
    public void Top_p_keeps_the_smallest_set_that_reaches_p(double p, int kept)
    {
        float[] logits = [MathF.Log(0.5f), MathF.Log(0.25f), MathF.Log(0.15f), MathF.Log(0.1f)];

        Assert.Equal(kept, Support(logits, new SamplingParameters { TopP = p }));
    }

    [Theory]
    [InlineData(0.6, 0b001)]
    [InlineData(0.4, 0b011)]
    [InlineData(0.15, 0b111)]
    public void Min_p_drops_what_is_less_likely_than_a_share_of_the_best(double p, int kept)
    {
        Assert.Equal(kept, Support([0, MathF.Log(0.5f), MathF.Log(0.2f)], new SamplingParameters { MinP = p }));
    }

    [Fact]
    public void Penalties_count_the_output_and_repetition_the_prompt_too()
    {
        // Prompt 0; output 1 1 2.
        var sequence = Make(new SamplingParameters { Temperature = 0 }, [0], [1, 1, 2]);

        Assert.Equal([3f, 3, 3, 0], After(sequence, new SamplingParameters(), [3, 3, 3, 0]));
        Assert.Equal([3f, 2, 2.5f, 0], After(sequence, new SamplingParameters { FrequencyPenalty = 0.5 }, [3, 3, 3, 0]));
        Assert.Equal([3f, 2.5f, 2.5f, 0], After(sequence, new SamplingParameters { PresencePenalty = 0.5 }, [3, 3, 3, 0]));
        Assert.Equal([1.5f, -6, 1.5f, 1], After(sequence, new SamplingParameters { RepetitionPenalty = 2 }, [3, -3, 3, 1]));
        Assert.Equal([3f, 3, 3, 0], After(sequence, new SamplingParameters(), [3, 3, 3, 0])); // Nothing is left behind.
    }

    [Fact]
    public void Log_probabilities_are_the_models_own_whatever_the_filters()
    {
        var sampled = new Sampler(3, []).Sample([0, 1, 2], Make(new SamplingParameters { TopK = 1, Temperature = 3, RepetitionPenalty = 2 }, [2], [], topLogprobs: 2));
        double normalizer = Math.Log(1 + Math.Exp(1) + Math.Exp(2));

        Assert.Equal(2 - normalizer, new Sampler(3, []).Sample([0, 1, 2], Make(new SamplingParameters { TopK = 1 }, [0], [], topLogprobs: 0)).Logprob!.Value, 1e-6);
        Assert.Equal([2, 1], sampled.Top!.Select(t => t.Token));
        Assert.Equal(2 - normalizer, sampled.Top![0].Logprob, 1e-6);
    }

    [Fact]
    public void Ids_that_are_no_token_are_never_drawn_and_have_no_log_probability()
    {
        float[] logits = [1, 9, 2, 9];
        var sampler = new Sampler(4, [1, 3]);
        var greedy = new SamplingParameters { Temperature = 0 };

        Assert.Equal(2, sampler.Sample([.. logits], Make(greedy, [0], [])).Token);
        Assert.Equal(2, sampler.Sample([.. logits], Make(greedy with { Biases = [new TokenBias(3, 100)] }, [0], [])).Token);
        for (int seed = 0; seed < 100; seed++)
            Assert.Contains(sampler.Sample([.. logits], Make(new SamplingParameters { TopK = seed % 5 }, [0], [], seed)).Token, (int[])[0, 2]);
        var told = sampler.Sample([.. logits], Make(greedy, [0], [], topLogprobs: 2)).Top!; // Asked for.
        Assert.Equal([2, 0], told.Select(t => t.Token));
        Assert.Equal(2 - Math.Log(Math.Exp(1) + Math.Exp(2)), told[0].Logprob, 1e-6);
    }

    [Fact]
    public void The_same_seed_and_place_draw_the_same_token_and_others_differ()
    {
        float[] logits = new float[50];
        int[] Run(long seed) => [.. Enumerable.Range(0, 40).Select(i => One(logits, new SamplingParameters(), seed, i))];

        Assert.Equal(Run(7), Run(7));
        Assert.NotEqual(Run(7), Run(8));
        Assert.True(Run(7).Distinct().Count() > 10);
    }

    [Fact]
    public void Logits_that_are_no_numbers_are_a_failure_of_their_sequence()
    {
        foreach (float damaged in (float[])[float.NaN, float.PositiveInfinity])
        {
            foreach (var parameters in (SamplingParameters[])[new(), new() { TopK = 2 }, new() { Temperature = 0 }])
                Assert.Equal(Sampler.NotFinite, new Sampler(3, []).Sample([damaged, damaged, damaged], Make(parameters, [0], [], topLogprobs: 2)));
        }
        Assert.NotNull(Sampler.NotFinite.Failure);
    }

    [Fact]
    public void Filters_keep_what_sorting_everything_would_keep()
    {
        var logits = Gen.Float[-8, 8].Array[1, 60];
        Gen.Select(logits, Gen.Double[0, 1], Gen.Int[0, 70], Gen.Double[0, 1]).Sample((values, p, k, uniform) =>
        {
            var candidates = new Candidates(values.Length);
            candidates.Fill(values, 1, k);
            candidates.KeepTopP(p);
            int token = candidates.At(uniform);

            int[] order = [.. Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]).ThenBy(i => i)];
            int[] top = k == 0 ? order : order[..Math.Min(k, order.Length)];
            double[] weights = [.. top.Select(i => Math.Exp((double)values[i] - values.Max()))];
            double reach = p * weights.Sum() * (1 + 1e-9), sum = 0;
            int kept = 0;
            while (kept < weights.Length && sum < reach)
                sum += weights[kept++];
            return top[..Math.Max(kept, 1)].Any(i => Math.Abs(values[i] - values[token]) < 1e-6); // Closer ones have equal weights.
        });
    }

    private static float[] After(Sequence sequence, SamplingParameters parameters, float[] logits)
    {
        var changed = Make(parameters with { Temperature = 0 }, [.. sequence.Request.PromptTokens], [.. sequence.Tokens[sequence.PromptCount..].ToArray()]);
        new Sampler(logits.Length, []).Sample(logits, changed);
        return logits;
    }

    private static int Support(float[] logits, SamplingParameters parameters)
    {
        double[] found = Frequencies(logits, parameters);
        return found.Select((frequency, token) => frequency > 0 ? 1 << token : 0).Sum();
    }

    private static double[] Frequencies(float[] logits, SamplingParameters parameters)
    {
        var counts = new double[logits.Length];
        for (int i = 0; i < Draws; i++)
            counts[One(logits, parameters, seed: i)] += 1.0 / Draws;
        return counts;
    }

    private static int One(float[] logits, SamplingParameters parameters, long seed = 1, int place = 0) =>
        new Sampler(logits.Length, []).Sample([.. logits], Make(parameters, [0], new int[place], seed)).Token;

    private static Sequence Make(SamplingParameters parameters, int[] prompt, int[] output, long seed = 1, int? topLogprobs = null)
    {
        var request = new GenerationRequest { PromptTokens = prompt, MaxTokens = 100, Sampling = parameters, TopLogprobs = topLogprobs };
        var sequence = new Sequence(new SequenceId(1), request, 100, seed, 0, 16);
        foreach (int token in output)
            sequence.Append(token);
        return sequence;
    }
}
