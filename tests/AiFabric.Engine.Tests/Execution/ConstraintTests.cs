using System.Text;
using System.Text.Json;
using AiFabric.Engine.Constraints;
using AiFabric.Engine.Constraints.Json;
using AiFabric.Engine.Requests;
using Xunit;
using static AiFabric.Engine.Tests.Execution.EngineTestExtensions;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>Constrained answers in the engine: beside others, after preemption, with every way of drawing.</summary>
public sealed class ConstraintTests : IDisposable
{
    private const string Schema =
        """{"type":"object","properties":{"name":{"type":"string","pattern":"^[a-zé]{0,12}$"},"age":{"type":"integer","minimum":0,"maximum":150},"tags":{"type":"array","items":{"enum":["a","b"]},"maxItems":3}},"required":["name","age"]}""";

    private readonly RandomModel model = new();

    // RandomModel's tokens are bytes and a few that no text here has; 1 ends a sequence and is no text either.
    private readonly TokenTrie trie = new([.. Enumerable.Range(0, 256).Select(b => b == 1 ? null : new[] { (byte)b })]);

    public void Dispose() => model.Dispose();

    private TokenConstraint Constraint(string schema = Schema) => new(JsonSchema.ToGrammar(JsonDocument.Parse(schema).RootElement), trie);

    private GenerationRequest Ask(TokenConstraint? constraint, int seed, SamplingParameters? sampling = null, string? adapter = null) => new()
    {
        PromptTokens = model.Prompt(9, seed),
        MaxTokens = 90,
        Constraint = constraint,
        StopTokens = [1],
        Adapter = adapter,
        Sampling = (sampling ?? new SamplingParameters()) with { Seed = seed },
    };

    private static string TextOf(List<TokenEvent> events)
    {
        Assert.Equal(FinishReason.Stop, events[^1].Finish);
        return Encoding.UTF8.GetString([.. events.SkipLast(1).Select(e => (byte)e.Token!.Value)]); // Only the end has none, and it is skipped.
    }

    private static void AssertValid(string text)
    {
        var answer = JsonDocument.Parse(text).RootElement;
        Assert.Matches("^[a-zé]{0,12}$", answer.GetProperty("name").GetString());
        Assert.InRange(answer.GetProperty("age").GetInt32(), 0, 150);
        if (answer.TryGetProperty("tags", out var tags))
            Assert.InRange(tags.GetArrayLength(), 0, 3);
    }

    [Theory]
    [InlineData(0, 0, 1, 0)]
    [InlineData(1, 0, 1, 0)]
    [InlineData(2, 5, 1, 0)]
    [InlineData(1.5, 0, 0.6, 0.01)]
    public async Task However_tokens_are_drawn_the_answer_keeps_its_format(double temperature, int topK, double topP, double minP)
    {
        await using var engine = model.Start();
        var constraint = Constraint();
        var sampling = new SamplingParameters { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP, RepetitionPenalty = 1.2, FrequencyPenalty = 0.5 };
        Generation[] all = [.. Enumerable.Range(0, 12).Select(seed => engine.Submit(Ask(constraint, seed, sampling) with { TopLogprobs = 3 }))];
        foreach (var generation in all)
        {
            var events = await generation.AllAsync();
            AssertValid(TextOf(events));
            // Of the model's own distribution: tokens that the format forbids have theirs too.
            Assert.All(events, e => Assert.True(e.Logprob <= 0 && e.TopLogprobs!.Count == 3)); // Asked for.
        }
    }

    [Fact]
    public async Task Preempted_answers_go_on_where_they_were()
    {
        var constraint = Constraint();
        async Task<List<string>> RunAsync(int blocks)
        {
            await using var engine = model.Start(o => o with { KvBlocks = blocks });
            Generation[] all;
            using (engine.Hold())
                all = [.. Enumerable.Range(0, 6).Select(seed => engine.Submit(Ask(constraint, seed)))];
            var texts = new List<string>();
            foreach (var generation in all)
                texts.Add(TextOf(await generation.AllAsync()));
            Assert.Equal(blocks < 100, engine.Metrics.Preemptions.Value > 0);
            return texts;
        }

        Assert.Equal(await RunAsync(512), await RunAsync(28));
    }

    [Fact]
    public async Task Guessed_tokens_change_no_answer_and_leave_no_format()
    {
        var constraint = Constraint("""{"type":"array","items":{"enum":["abc","abd"]},"minItems":9,"maxItems":9}""");
        async Task<string[]> RunAsync(SpeculativeMethod method)
        {
            await using var engine = model.Start(o => o with { SpeculativeMethod = method });
            var texts = new List<string>();
            foreach (int seed in (int[])[1, 2, 3, 4])
                texts.Add(TextOf(await engine.Submit(Ask(constraint, seed)).AllAsync()));
            Assert.Equal(method != SpeculativeMethod.None, engine.Metrics.AcceptedDraftTokens.Value > 0);
            return [.. texts];
        }

        string[] plain = await RunAsync(SpeculativeMethod.None);

        Assert.Equal(plain, await RunAsync(SpeculativeMethod.PromptLookup));
        Assert.All(plain, text => Assert.Equal(9, JsonDocument.Parse(text).RootElement.GetArrayLength()));
    }

    [Fact]
    public async Task Neither_company_nor_training_nor_an_adapter_changes_a_seeded_answer()
    {
        var constraint = Constraint();
        await using var engine = model.Start();
        engine.Install(model.Adapter("a", 2, 1));
        var alone = TextOf(await engine.Submit(Ask(constraint, 3)).AllAsync());
        var adapted = TextOf(await engine.Submit(Ask(constraint, 3, adapter: "a")).AllAsync());
        using var training = new ScriptedTraining(model.Config, model.Prompt(9, 1), null, 3);
        Generation[] crowd;
        using (engine.Hold())
        {
            engine.AttachTraining(training);
            crowd = [engine.Submit(Ask(constraint, 3)), engine.Submit(Ask(null, 4)), engine.Submit(Ask(constraint, 3, adapter: "a")), engine.Submit(Ask(Constraint("""{"type":"boolean"}"""), 5))];
        }

        var texts = new List<List<TokenEvent>>();
        foreach (var generation in crowd)
            texts.Add(await generation.AllAsync());

        Assert.Equal(alone, TextOf(texts[0]));
        Assert.Equal(adapted, TextOf(texts[2]));
        Assert.NotEqual(alone, adapted);
        Assert.Contains(TextOf(texts[3]), (string[])["true", "false"]);
        await training.Finished.WaitAsync(TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task An_answer_that_cannot_go_on_ends_with_an_error_and_others_go_on()
    {
        await using var engine = model.Start();
        var poor = new TokenConstraint(JsonSchema.AnyObject(), new TokenTrie([[(byte)'{']]));
        Generation stuck, healthy;
        using (engine.Hold())
            (stuck, healthy) = (engine.Submit(Ask(poor, 1)), engine.Submit(Greedy(model.Prompt(5, 1), 4)));

        var end = (await stuck.AllAsync())[^1];

        Assert.Equal(FinishReason.Error, end.Finish);
        Assert.Contains("format", end.Error, StringComparison.Ordinal);
        Assert.Equal(4, (await healthy.AllAsync()).Count);
        Assert.Equal(0, engine.Metrics.FailedIterations.Value);
        Assert.Throws<EngineRejectedException>(() => engine.Submit(Ask(poor, 1) with { StopTokens = [] }));
    }

    [Fact]
    public async Task Biases_minimum_and_stop_tokens_shape_the_draw()
    {
        await using var engine = model.Start();
        var greedy = new SamplingParameters { Temperature = 0 };
        int first = (await engine.Submit(Greedy(model.Prompt(5, 1), 1)).AllAsync())[0].Token!.Value; // One token was asked for.

        var forced = await engine.Submit(Ask(null, 1, greedy with { Biases = [new TokenBias(77, 100)] }) with { MaxTokens = 3 }).AllAsync();
        var banned = await engine.Submit(Greedy(model.Prompt(5, 1), 1) with { Sampling = greedy with { Biases = [new TokenBias(first, -100)] } }).AllAsync();
        var ended = await engine.Submit(Ask(null, 1, greedy with { Biases = [new TokenBias(1, 100)] })).AllAsync();
        var longer = await engine.Submit(Ask(null, 1, greedy with { Biases = [new TokenBias(1, 100)], MinTokens = 4 })).AllAsync();

        Assert.All(forced, e => Assert.Equal(77, e.Token));
        Assert.NotEqual(first, banned[0].Token);
        Assert.Equal((1, FinishReason.Stop), (ended.Count, ended[^1].Finish));
        Assert.Equal((5, FinishReason.Stop), (longer.Count, longer[^1].Finish));
        Assert.Equal("logit_bias", Assert.Throws<EngineRejectedException>(() => engine.Submit(Ask(null, 1, greedy with { Biases = [new TokenBias(300, 1)] }))).Param);
    }

    [Fact]
    public async Task An_answer_that_is_cut_is_the_beginning_of_one()
    {
        await using var engine = model.Start();
        var constraint = Constraint();
        for (int length = 1; length < 20; length++)
        {
            var events = await engine.Submit(Ask(constraint, length) with { MaxTokens = length }).AllAsync();
            Assert.Equal(FinishReason.Length, events[^1].Finish);
            Assert.True(constraint.Begin().Follow([.. events.Select(e => e.Token!.Value)])); // Length ends with a token.
        }
    }
}
