using AiFabric.Engine.Requests;
using Xunit;
using static AiFabric.Engine.Tests.Execution.EngineTestExtensions;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>Whatever shares an iteration, each sequence gets what the model gives it alone.</summary>
public sealed class ForwardPassTests : IDisposable
{
    private const double Tolerance = 1e-4;

    private readonly RandomModel model = new();
    private readonly Reference reference;

    public ForwardPassTests() => reference = new Reference(model.Path, model.Config);

    public void Dispose()
    {
        reference.Dispose();
        model.Dispose();
    }

    [Theory]
    [InlineData(1, 16)]
    [InlineData(4, 24)]
    [InlineData(16, 512)]
    public async Task Chunked_and_batched_generation_equals_the_whole_sequence_reference(int blockSize, int maxBatchTokens)
    {
        await using var engine = model.Start(o => o with { BlockSize = blockSize, MaxBatchTokens = maxBatchTokens });
        int[] lengths = [1, 2, 3, 4, 5, 15, 16, 17, 33, 50];

        await ExpectReferenceAsync(engine, [.. lengths.Select((length, i) => Greedy(model.Prompt(length, i), 12))]);
    }

    [Fact]
    public async Task A_tied_head_is_the_embedding()
    {
        using var tied = new RandomModel(tied: true);
        using var plain = new Reference(tied.Path, tied.Config);
        await using var engine = tied.Start();

        var events = await engine.Submit(Greedy(tied.Prompt(9, 3), 8)).AllAsync();

        Expect(plain.Greedy(tied.Prompt(9, 3), 8), events);
    }

    [Fact]
    public async Task Preempted_sequences_are_computed_again_and_complete()
    {
        await using var engine = model.Start(o => o with { KvBlocks = 12, MaxBatchTokens = 16 });

        await ExpectReferenceAsync(engine, [.. Enumerable.Range(0, 6).Select(i => Greedy(model.Prompt(7 + i, i), 20))]);

        Assert.True(engine.Metrics.Preemptions.Value > 0);
        Assert.Equal(12, engine.CurrentLoad.FreeBlocks);
    }

    [Fact]
    public async Task Equal_beginnings_are_computed_once_within_a_tenant_and_a_salt()
    {
        await using var engine = model.Start();
        var prompt = model.Prompt(21, 7);
        var expected = reference.Greedy(prompt, 6);

        var first = await engine.Submit(Greedy(prompt, 6)).AllAsync();
        var second = await engine.Submit(Greedy(prompt, 6)).AllAsync();
        var salted = await engine.Submit(Greedy(prompt, 6) with { CacheSalt = "s" }).AllAsync();
        var stranger = await engine.Submit(Greedy(prompt, 6) with { Tenant = "another" }).AllAsync();

        Expect(expected, first);
        Expect(expected, second);
        Expect(expected, salted);
        Expect(expected, stranger);
        Assert.Equal(0, first[0].CachedTokens);
        Assert.Equal(20, second[0].CachedTokens);
        Assert.Equal((0, 0), (salted[0].CachedTokens, stranger[0].CachedTokens));
    }

    [Fact]
    public async Task Rows_of_one_batch_use_their_own_adapters()
    {
        await using var engine = model.Start();
        string[] names = ["a", "b", "c"];
        foreach (var (name, i) in names.Select((name, i) => (name, i)))
            engine.Install(model.Adapter(name, rank: 2 + i, seed: 100 + i));
        GenerationRequest[] requests = [.. Enumerable.Range(0, 12).Select(i => Greedy(model.Prompt(5, 1), 10, i % 4 == 3 ? null : names[i % 4]))];

        await ExpectReferenceAsync(engine, requests);

        var (a, b) = (await engine.Submit(requests[0]).AllAsync(), await engine.Submit(requests[1]).AllAsync());
        Assert.NotEqual(a.Select(e => e.Token), b.Select(e => e.Token));
        Assert.True(a[0].CachedTokens == 4 && b[0].CachedTokens == 4);
    }

    [Fact]
    public async Task Training_rows_in_the_same_pass_change_nothing_for_inference()
    {
        await using var engine = model.Start();
        using var adapter = model.Adapter("in training", 4, 5);
        var text = model.Prompt(29, 9);
        using var training = new ScriptedTraining(model.Config, text, adapter, rounds: 4);
        engine.Install(model.Adapter("served", 2, 6));

        await ExpectReferenceAsync(engine, [.. Enumerable.Range(0, 6).Select(i => Greedy(model.Prompt(6 * i + 1, i), 16, i % 2 == 0 ? null : "served"))], training);
        await training.Finished.WaitAsync(TimeSpan.FromMinutes(1));
        await engine.DetachTrainingAsync(training);

        Assert.True(engine.Metrics.CoServedIterations.Value > 0);
        Assert.Equal(4 * text.Length, engine.Metrics.TrainingForwardTokens.Value);
        Assert.Equal(4 * text.Length, engine.Metrics.TrainingBackwardTokens.Value);
        Assert.Equal(training.WindowSizes.Count * model.Config.Layers, training.LayerInputs);
        Assert.Contains(training.WindowSizes, size => size <= 8);
        using var scope = NewDisposeScope();
        var difference = (training.Hidden().to(ScalarType.Float64) - reference.Hidden(text, adapter)).abs().max().item<double>();
        Assert.InRange(difference, 0, Tolerance);
    }

    [Theory]
    [InlineData(ScalarType.Float64, 1e-6)]
    [InlineData(ScalarType.BFloat16, 0.5)]
    public async Task Other_element_types_agree_within_their_precision(ScalarType type, double tolerance)
    {
        await using var engine = model.Start(o => o with { Type = type });
        engine.Install(model.Adapter("a", 2, 4, type));
        var prompt = model.Prompt(19, 2);

        var first = (await engine.Submit(Greedy(prompt, 1)).AllAsync())[0];

        using var scope = NewDisposeScope();
        double expected = reference.Logprobs(prompt)[prompt.Length - 1][first.Token!.Value].item<double>();
        Assert.InRange(Math.Abs(expected - first.Logprob!.Value), 0, tolerance);
        Assert.Equal(FinishReason.Length, (await engine.Submit(Greedy(prompt, 5, "a")).AllAsync())[^1].Finish);
    }

    // All requests start together; each must equal the reference, which uses the adapters the engine holds.
    private async Task ExpectReferenceAsync(LlmEngine engine, GenerationRequest[] requests, ScriptedTraining? training = null)
    {
        foreach (var (request, generation) in requests.Zip(engine.SubmitTogether(requests, training)))
        {
            using var adapter = request.Adapter switch
            {
                "a" => model.Adapter("a", 2, 100),
                "b" => model.Adapter("b", 3, 101),
                "c" => model.Adapter("c", 4, 102),
                "served" => model.Adapter("served", 2, 6),
                _ => null,
            };
            Expect(reference.Greedy(request.PromptTokens, request.MaxTokens, adapter), await generation.AllAsync());
        }
    }

    private static void Expect(List<(int Token, double Logprob)> expected, List<TokenEvent> events)
    {
        Assert.Equal(expected.Select(e => e.Token), events.Select(e => e.Token!.Value));
        Assert.All(expected.Zip(events), pair => Assert.InRange(Math.Abs(pair.First.Logprob - pair.Second.Logprob!.Value), 0, Tolerance));
        Assert.All(events, e => Assert.Equal(e.Logprob, e.TopLogprobs![0].Logprob));
        Assert.Equal(FinishReason.Length, events[^1].Finish);
        Assert.All(events.SkipLast(1), e => Assert.Null(e.Finish));
    }
}
