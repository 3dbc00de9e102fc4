using AiFabric.Engine.Adapters;
using AiFabric.Engine.Requests;
using Xunit;
using static AiFabric.Engine.Tests.Execution.EngineTestExtensions;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>Vectors of a decoder: against the model written down plainly, alone and beside all else that an engine does.</summary>
public sealed class EmbeddingTests : IDisposable
{
    private readonly RandomModel model = new();

    public void Dispose() => model.Dispose();

    // Float64 runs in tensors, Float32 in kernels.
    [Theory]
    [InlineData(ScalarType.Float32, 1e-4)]
    [InlineData(ScalarType.Float64, 1e-6)]
    public async Task A_vector_is_the_mean_of_the_final_states(ScalarType type, double tolerance)
    {
        await using var engine = model.Start(o => o with { Type = type });
        using var reference = new Reference(model.Path, model.Config);
        // One token; one chunk; a chunk and one token; the whole context, in eleven.
        foreach (int length in new[] { 1, 24, 25, 256 })
        {
            int[] tokens = model.Prompt(length, length);
            AssertClose(reference.Mean(tokens), await EmbedAsync(engine, tokens), tolerance);
        }
    }

    [Fact]
    public async Task Vectors_beside_generation_and_finetuning_are_those_alone()
    {
        await using var engine = model.Start(o => o with { KvBlocks = 64 });
        using var adapter = model.Adapter("own", 3, 5);
        engine.Install(model.Adapter("own", 3, 5));
        using var reference = new Reference(model.Path, model.Config);
        using var training = new ScriptedTraining(model.Config, model.Prompt(30, 1), null, 3);
        int[][] texts = [.. Enumerable.Range(0, 12).Select(i => model.Prompt(1 + (7 * i), i))];
        var generations = new List<Generation>();
        var vectors = new List<Embedding>();
        using (engine.Hold())
        {
            engine.AttachTraining(training);
            for (int i = 0; i < texts.Length; i++)
            {
                vectors.Add(engine.Embed(new EmbeddingRequest { Tokens = texts[i], Adapter = i % 3 == 0 ? "own" : null }));
                generations.Add(engine.Submit(Greedy(model.Prompt(9, i), 12)));
            }
        }

        for (int i = 0; i < texts.Length; i++)
            AssertClose(reference.Mean(texts[i], i % 3 == 0 ? adapter : null), await ReadAsync(vectors[i]), 1e-4);
        for (int i = 0; i < texts.Length; i++)
            Assert.Equal(reference.Greedy(model.Prompt(9, i), 12).Select(t => (int?)t.Token), (await generations[i].AllAsync()).Select(e => e.Token));
        await training.Finished.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(64, engine.CurrentLoad.FreeBlocks);
    }

    [Fact]
    public async Task Who_holds_an_adapter_is_served_by_that_version_when_another_has_its_name()
    {
        await using var engine = model.Start();
        using var reference = new Reference(model.Path, model.Config);
        using PeftAdapter old = model.Adapter("own", 3, 5), newest = model.Adapter("own", 3, 6);
        int[] tokens = model.Prompt(20, 1);
        engine.Install(model.Adapter("own", 3, 5));
        using var held = engine.TryHoldAdapter("own");
        engine.Install(model.Adapter("own", 3, 6));

        AssertClose(reference.Mean(tokens, old), await EmbedAsync(engine, tokens, "own", held), 1e-4);
        AssertClose(reference.Mean(tokens, newest), await EmbedAsync(engine, tokens, "own"), 1e-4);
    }

    [Fact]
    public async Task A_cancelled_one_frees_its_blocks_and_a_stopped_engine_says_so()
    {
        var engine = model.Start();
        Embedding left, cut;
        using (engine.Hold())
        {
            left = engine.Embed(new EmbeddingRequest { Tokens = model.Prompt(40, 1) });
            left.Dispose();
        }
        await Assert.ThrowsAsync<EngineRejectedException>(() => ReadAsync(left));
        await engine.RunOnEngineThreadAsync(() => 0, CancellationToken.None);
        Assert.Equal((0, 512), (engine.CurrentLoad.Running, engine.CurrentLoad.FreeBlocks));

        Task stopped;
        using (engine.Hold())
        {
            cut = engine.Embed(new EmbeddingRequest { Tokens = model.Prompt(40, 1) });
            stopped = engine.DisposeAsync().AsTask();
        }
        await stopped;
        Assert.Equal(RejectionCodes.EngineStopped, (await Assert.ThrowsAsync<EngineRejectedException>(() => ReadAsync(cut))).Code);
    }

    [Fact]
    public async Task Bad_inputs_are_refused_by_name()
    {
        await using var engine = model.Start();
        foreach (var (tokens, adapter, code, param) in ((int[], string?, string, string)[])[
            ([], null, RejectionCodes.InvalidRequest, "input"),
            ([2, 300], null, RejectionCodes.InvalidRequest, "input"),
            ([-1], null, RejectionCodes.InvalidRequest, "input"),
            (model.Prompt(257, 1), null, RejectionCodes.ContextLengthExceeded, "input"),
            ([2], "nobody", RejectionCodes.AdapterNotFound, "model")])
        {
            var refused = Assert.Throws<EngineRejectedException>(() => engine.Embed(new EmbeddingRequest { Tokens = tokens, Adapter = adapter }));
            Assert.Equal((code, param), (refused.Code, refused.Param));
        }
    }

    private static async Task<float[]> EmbedAsync(LlmEngine engine, int[] tokens, string? adapter = null, AdapterHold? held = null)
    {
        using var embedding = engine.Embed(new EmbeddingRequest { Tokens = tokens, Adapter = adapter, Held = held });
        return await ReadAsync(embedding);
    }

    private static async Task<float[]> ReadAsync(Embedding embedding)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        return await embedding.ReadAsync(deadline.Token);
    }

    private static void AssertClose(Tensor expected, float[] actual, double tolerance)
    {
        using (expected)
        {
            double[] mean = [.. expected.data<double>()];
            Assert.Equal(mean.Length, actual.Length);
            Assert.InRange(mean.Zip(actual).Max(pair => Math.Abs(pair.First - pair.Second)), 0, tolerance);
        }
    }
}
