using AiFabric.Engine.Requests;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>Guessing ahead changes how many passes an answer takes, and nothing about the answer.</summary>
public sealed class SpeculationTests : IDisposable
{
    private const int Length = 60;

    private readonly ITestOutputHelper output;
    private readonly RandomModel model = new();

    public SpeculationTests(ITestOutputHelper output)
    {
        this.output = output;
        // Blocks that add little to the embedding: the next token is mostly the last one's, so that answers run in circles as text sometimes does.
        using var scope = NewDisposeScope();
        var weights = RandomModel.RandomWeights(model.Config, 1);
        foreach (string name in weights.Keys.Where(name => name.Contains("o_proj", StringComparison.Ordinal) || name.Contains("down_proj", StringComparison.Ordinal)).ToList())
            weights[name] = weights[name] * 0.05;
        SafetensorsWriter.Write(Path.Combine(model.Path, "model.safetensors"), weights);
    }

    public static TheoryData<string> Kinds => [.. Samplings.Keys];

    private static Dictionary<string, GenerationRequest> Samplings { get; } = new()
    {
        ["greedy"] = Request(new SamplingParameters { Temperature = 0 }),
        ["greedy with logprobs"] = Request(new SamplingParameters { Temperature = 0 }) with { TopLogprobs = 3 },
        ["greedy with penalties"] = Request(new SamplingParameters { Temperature = 0, FrequencyPenalty = 0.05, PresencePenalty = 0.1, RepetitionPenalty = 1.02 }),
        ["sampled"] = Request(new SamplingParameters { Temperature = 0.3, Seed = 5 }) with { TopLogprobs = 0 },
        ["sampled with filters and penalties"] = Request(
            new SamplingParameters { Temperature = 0.4, TopK = 5, TopP = 0.9, MinP = 0.02, FrequencyPenalty = 0.05, RepetitionPenalty = 1.01, Seed = 6 }),
        ["of an adapter"] = Request(new SamplingParameters { Temperature = 0 }) with { Adapter = "a" },
        ["ended by a stop token"] = Request(new SamplingParameters { Temperature = 0 }) with { StopTokens = [.. Enumerable.Range(100, 20)] },
    };

    public void Dispose() => model.Dispose();

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Answers_are_the_same_to_the_bit(string kind)
    {
        GenerationRequest[] requests = [.. Enumerable.Range(0, 8).Select(i => Samplings[kind] with { PromptTokens = Repetitive(i), MaxTokens = Length - i })];

        var (plain, guessing, accepted) = await BothAsync(requests, o => o);

        Assert.True(accepted > 5, $"{accepted} guesses were right");
        Assert.Equal(kind == "ended by a stop token", plain.Any(events => events[^1].Finish == FinishReason.Stop));
        Expect(plain, guessing, (a, b) => Assert.Equal((a.Logprob, a.Finish), (b.Logprob, b.Finish)));
        Expect(plain, guessing, (a, b) => Assert.Equal(a.TopLogprobs ?? [], b.TopLogprobs ?? []));
    }

    [Fact]
    public async Task Several_choices_of_one_prompt_stay_what_their_seeds_make_them()
    {
        GenerationRequest[] choices = [.. Enumerable.Range(0, 6).Select(i => Request(new SamplingParameters { Temperature = 0.4, Seed = i }) with { PromptTokens = Repetitive(1) })];

        var (plain, guessing, _) = await BothAsync(choices, o => o);

        Expect(plain, guessing, (a, b) => Assert.Equal(a.Finish, b.Finish));
        Assert.True(guessing.Select(events => string.Join(",", events.Select(e => e.Token))).Distinct().Count() > 1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Preempted_answers_and_their_continuations_stay_the_same(bool prefixCaching)
    {
        GenerationRequest[] requests = [.. Enumerable.Range(0, 6).Select(i => Samplings["greedy"] with { PromptTokens = Repetitive(i), MaxTokens = 30 })];
        await using var engine = model.Start(o => Guessing(o) with { KvBlocks = 24, PrefixCaching = prefixCaching }, new StoppedClock());
        await using var plain = model.Start();
        var answers = await RunAsync(engine, requests);
        Expect(await RunAsync(plain, requests), answers, (a, b) => Assert.Equal(a.Logprob, b.Logprob));
        Assert.True(engine.Metrics.Preemptions.Value > 0 && engine.Metrics.AcceptedDraftTokens.Value > 0);
        await engine.RunOnEngineThreadAsync(() => 0, CancellationToken.None);
        Assert.Equal(24, engine.CurrentLoad.FreeBlocks);

        // The next turn finds the blocks of the first, in which wrong guesses once lay.
        GenerationRequest[] next = [.. requests.Zip(answers).TakeLast(2).Select(pair => pair.First with
        {
            PromptTokens = [.. pair.First.PromptTokens, .. pair.Second.Select(e => e.Token!.Value), 7],
            MaxTokens = 10,
        })];
        var continued = await RunAsync(engine, next);
        Expect(await RunAsync(plain, next), continued, (a, b) => Assert.Equal(a.Finish, b.Finish));
        Assert.True(!prefixCaching || continued[1][0].CachedTokens > 0);
    }

    [Fact]
    public async Task Clients_that_leave_disturb_no_others()
    {
        GenerationRequest[] requests = [.. Enumerable.Range(0, 12).Select(i => Samplings["sampled"] with { PromptTokens = Repetitive(i), MaxTokens = Length })];
        await using var engine = model.Start(Guessing, new StoppedClock());
        await using var plain = model.Start();
        var expected = await RunAsync(plain, requests);
        Generation[] generations;
        using (engine.Hold())
            generations = [.. requests.Select(engine.Submit)];
        for (int i = 0; i < requests.Length; i += 3)
        {
            Assert.NotNull((await generations[i].Events.ReadAsync()).Token);
            generations[i].Dispose();
        }

        for (int i = 0; i < requests.Length; i++)
        {
            var events = await generations[i].AllAsync();
            Assert.Single(events, e => e.Finish is not null);
            if (i % 3 > 0)
                Assert.Equal(expected[i].Select(e => e.Token), events.Select(e => e.Token));
        }
        await engine.RunOnEngineThreadAsync(() => 0, CancellationToken.None);
        Assert.Equal((0, 512), (engine.CurrentLoad.Running, engine.CurrentLoad.FreeBlocks));
        Assert.Equal(0, engine.Metrics.FailedIterations.Value);
    }

    [Theory]
    [InlineData(ScalarType.Float64, Quantization.None)] // the pass in tensors
    [InlineData(ScalarType.BFloat16, Quantization.None)]
    [InlineData(ScalarType.Float32, Quantization.Q8)]
    public async Task Every_pass_checks_guesses(ScalarType type, Quantization quantization)
    {
        GenerationRequest[] requests = [.. Enumerable.Range(0, 4).Select(i => Samplings["greedy with logprobs"] with { PromptTokens = Repetitive(i), MaxTokens = Length })];

        var (plain, guessing, accepted) = await BothAsync(requests, o => o with { Type = type, Quantization = quantization });

        Assert.True(accepted > 20);
        Expect(plain, guessing, (a, b) => Assert.Equal(a.Logprob!.Value, b.Logprob!.Value, 1e-9));
    }

    [Fact]
    public async Task Finetuning_rides_along()
    {
        await using var plain = model.Start();
        await using var engine = model.Start(Guessing, new StoppedClock());
        using var training = new ScriptedTraining(model.Config, model.Prompt(29, 9), null, rounds: 6);
        GenerationRequest[] requests = [.. Enumerable.Range(0, 4).Select(i => Samplings["greedy"] with { PromptTokens = Repetitive(i), MaxTokens = Length })];
        var expected = await RunAsync(plain, requests);

        Expect(expected, await RunAsync(engine, requests, training), (a, b) => Assert.Equal(a.Finish, b.Finish));

        await training.Finished.WaitAsync(TimeSpan.FromMinutes(1));
        await engine.DetachTrainingAsync(training);
        Assert.True(engine.Metrics.CoServedIterations.Value > 0);
    }

    private async Task<(List<TokenEvent>[] Plain, List<TokenEvent>[] Guessing, long Accepted)> BothAsync(
        GenerationRequest[] requests, Func<EngineOptions, EngineOptions> change)
    {
        await using var plain = model.Start(change);
        await using var guessing = model.Start(o => Guessing(change(o)), new StoppedClock());
        foreach (var engine in (LlmEngine[])[plain, guessing])
            engine.Install(model.Adapter("a", rank: 2, seed: 100, engine.Weights.Type));
        var expected = await RunAsync(plain, requests);
        var answers = await RunAsync(guessing, requests);
        var metrics = guessing.Metrics;
        output.WriteLine(
            $"{metrics.AcceptedDraftTokens.Value} of {metrics.DraftTokens.Value} guesses right in {metrics.Drafts.Value} rows; "
            + $"{plain.Metrics.Iterations.Value} iterations without, {metrics.Iterations.Value} with");
        Assert.Equal((0, 0), (plain.Metrics.DraftTokens.Value, metrics.FailedIterations.Value));
        Assert.Equal(answers.Sum(events => events.Count), metrics.GenerationTokens.Value);
        return (expected, answers, metrics.AcceptedDraftTokens.Value);
    }

    private static Task<List<TokenEvent>[]> RunAsync(LlmEngine engine, GenerationRequest[] requests, ScriptedTraining? training = null) =>
        Task.WhenAll(engine.SubmitTogether(requests, training).Select(generation => generation.AllAsync()));

    private static void Expect(List<TokenEvent>[] plain, List<TokenEvent>[] guessing, Action<TokenEvent, TokenEvent> compare)
    {
        foreach (var (expected, actual) in plain.Zip(guessing))
        {
            Assert.Equal(expected.Select(e => e.Token), actual.Select(e => e.Token));
            foreach (var (a, b) in expected.Zip(actual))
                compare(a, b);
        }
    }

    private static EngineOptions Guessing(EngineOptions options) => options with { SpeculativeMethod = SpeculativeMethod.PromptLookup, PromptLookupMin = 1 };

    private static GenerationRequest Request(SamplingParameters sampling) => new() { PromptTokens = [2], MaxTokens = Length, Sampling = sampling };

    // A few tokens over and over, so that the model repeats itself sooner.
    private int[] Repetitive(int seed)
    {
        int[] part = model.Prompt(3 + (seed % 3), seed);
        return [.. Enumerable.Range(0, 16).Select(i => part[i % part.Length])];
    }

    /// <summary>Passes that take no time, so that guesses always seem to pay.</summary>
    private sealed class StoppedClock : TimeProvider
    {
        public override long GetTimestamp() => 0;
    }
}
