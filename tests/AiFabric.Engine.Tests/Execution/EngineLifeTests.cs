using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Execution;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static AiFabric.Engine.Tests.Execution.EngineTestExtensions;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>Every sequence ends with exactly one finish, and nothing is left behind.</summary>
public sealed partial class EngineLifeTests : IDisposable
{
    private readonly RandomModel model = new();

    public void Dispose() => model.Dispose();

    [Fact]
    public async Task A_cancelled_sequence_ends_once_and_gives_its_blocks_back()
    {
        await using var engine = model.Start();
        Generation running, waiting;
        using (engine.Hold())
        {
            running = engine.Submit(Greedy(model.Prompt(5, 1), 200));
            waiting = engine.Submit(Greedy(model.Prompt(5, 2), 200));
            waiting.Dispose();
        }
        Assert.NotNull((await running.Events.ReadAsync()).Token);
        running.Dispose();
        running.Dispose();

        Assert.Equal(FinishReason.Cancelled, Assert.Single(await running.AllAsync(), e => e.Finish is not null).Finish);
        Assert.Equal(FinishReason.Cancelled, Assert.Single(await waiting.AllAsync()).Finish);
        await engine.RunOnEngineThreadAsync(() => 0, CancellationToken.None);
        Assert.Equal((0, 0, 512), (engine.CurrentLoad.Running, engine.CurrentLoad.Queued, engine.CurrentLoad.FreeBlocks));
    }

    [Fact]
    public async Task A_stop_token_ends_the_sequence_and_is_its_last_token()
    {
        await using var engine = model.Start();
        var free = await engine.Submit(Greedy(model.Prompt(5, 1), 6)).AllAsync();
        int stop = free[3].Token!.Value;

        var stopped = await engine.Submit(Greedy(model.Prompt(5, 1), 6) with { StopTokens = [stop] }).AllAsync();

        Assert.Equal(FinishReason.Stop, stopped[^1].Finish);
        Assert.Equal(stop, stopped[^1].Token);
        Assert.Equal(free.FindIndex(e => e.Token == stop) + 1, stopped.Count);
    }

    [Fact]
    public async Task Output_is_cut_at_the_context_length()
    {
        await using var engine = model.Start(o => o with { KvBlocks = 5 });

        var events = await engine.Submit(Greedy(model.Prompt(12, 1), 100)).AllAsync();

        Assert.Equal(20, engine.MaxContextTokens);
        Assert.Equal(8, events.Count);
        Assert.Equal(FinishReason.Length, events[^1].Finish);
    }

    [Fact]
    public async Task Shutdown_ends_every_sequence()
    {
        var engine = model.Start(o => o with { MaxRunningRequests = 2 });
        Generation[] all = [.. Enumerable.Range(0, 8).Select(i => engine.Submit(Greedy(model.Prompt(5, i), 240)))];

        await engine.DisposeAsync();
        await engine.DisposeAsync();

        foreach (var generation in all)
            Assert.NotNull(Assert.Single(await generation.AllAsync(), e => e.Finish is not null).Finish);
        var refused = Assert.Throws<EngineRejectedException>(() => engine.Submit(Greedy(model.Prompt(5, 1), 4)));
        Assert.Equal(RejectionCodes.EngineStopped, refused.Code);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => engine.RunOnEngineThreadAsync(() => 0, CancellationToken.None));
    }

    [Fact]
    public async Task A_failure_that_escapes_the_loop_ends_the_engine_and_is_told()
    {
        var failure = new InvalidDataException("beyond repair");
        await using var engine = model.Start(o => o with { Observer = (_, _) => throw failure });

        var events = await engine.Submit(Greedy(model.Prompt(5, 1), 4)).AllAsync();

        Assert.Equal(FinishReason.Cancelled, Assert.Single(events, e => e.Finish is not null).Finish);
        Assert.Same(failure, await engine.Completion.WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.Equal(RejectionCodes.EngineStopped, Assert.Throws<EngineRejectedException>(() => engine.Submit(Greedy(model.Prompt(5, 1), 4))).Code);
    }

    [Fact]
    public async Task A_device_that_is_lost_ends_the_engine()
    {
        var options = new EngineOptions { ModelFolder = model.Path };
        var (metrics, time) = (new EngineMetrics(), TimeProvider.System);
        using var adapters = new AdapterRegistry(0);
        using var runner = new ModelRunner(model.Config.VocabularySize, [], new LostDevice(), time);
        var delivery = new Delivery(adapters, metrics, new SlidingAttainment(time), null, time);
        var loop = new EngineLoop(options, SchedulerOptions.From(options), new BlockPool(8), runner, delivery, metrics, time, NullLogger.Instance);
        loop.Start();
        loop.Submit(new RequestStream(new Sequence(new SequenceId(1), Greedy([2], 4), 4, seed: 0, adapterLoad: 0, options.BlockSize), 0));

        var end = await loop.Stopped.WaitAsync(TimeSpan.FromMinutes(1));

        Assert.Equal("The device is lost; only a new process can use it: CUDA error: an illegal memory access was encountered", end?.Message);
        Assert.Equal(1, metrics.FailedIterations.Value);
    }

    [Fact]
    public async Task An_engine_that_is_disposed_ends_without_a_failure()
    {
        var engine = model.Start();

        await engine.DisposeAsync();

        Assert.Null(await engine.Completion);
    }

    [Theory]
    [InlineData(0, 4, null, RejectionCodes.InvalidRequest, "prompt")]
    [InlineData(4, 0, null, RejectionCodes.InvalidRequest, "max_tokens")]
    [InlineData(4, -3, null, RejectionCodes.InvalidRequest, "max_tokens")]
    [InlineData(256, 4, null, RejectionCodes.ContextLengthExceeded, "messages")]
    [InlineData(4, 4, "nobody", RejectionCodes.AdapterNotFound, "model")]
    public async Task Bad_requests_are_refused_by_name(int promptLength, int maxTokens, string? adapter, string code, string param)
    {
        await using var engine = model.Start();

        var refused = Assert.Throws<EngineRejectedException>(() => engine.Submit(Greedy(model.Prompt(promptLength, 1), maxTokens, adapter)));

        Assert.Equal((code, param), (refused.Code, refused.Param));
    }

    [Fact]
    public async Task Unknown_token_ids_are_refused()
    {
        await using var engine = model.Start();

        foreach (int token in new[] { -1, 300 })
            Assert.Equal(RejectionCodes.InvalidRequest, Assert.Throws<EngineRejectedException>(() => engine.Submit(Greedy([2, token], 4))).Code);
    }

    [Fact]
    public async Task A_tenant_that_floods_the_queue_leaves_room_for_another()
    {
        await using var engine = model.Start(o => o with { MaxQueuedRequests = 4 });
        GenerationRequest flood = Greedy(model.Prompt(5, 1), 3) with { Tenant = "flood" }, other = flood with { Tenant = "other" };
        for (int round = 0; round < 3; round++)
        {
            var accepted = new List<Generation>();
            using (engine.Hold())
            {
                accepted.AddRange([engine.Submit(flood), engine.Submit(flood)]);
                Assert.Equal(RejectionCodes.QueueFull, Assert.Throws<EngineRejectedException>(() => engine.Submit(flood)).Code);
                accepted.Add(engine.Submit(other));
            }
            foreach (var generation in accepted)
                Assert.Equal(3, (await generation.AllAsync()).Count);
        }
    }

    [Fact]
    public async Task A_full_queue_refuses_and_takes_requests_again_later()
    {
        await using var engine = model.Start(o => o with { MaxQueuedRequests = 3 });
        var accepted = new List<Generation>();
        using (engine.Hold())
        {
            for (int i = 0; i < 3; i++)
                accepted.Add(engine.Submit(Greedy(model.Prompt(5, i), 3)));
            Assert.Equal(RejectionCodes.QueueFull, Assert.Throws<EngineRejectedException>(() => engine.Submit(Greedy(model.Prompt(5, 9), 3))).Code);
        }
        foreach (var generation in accepted)
            Assert.Equal(3, (await generation.AllAsync()).Count);

        for (int i = 0; i < 5; i++)
            Assert.Equal(3, (await engine.Submit(Greedy(model.Prompt(5, 9), 3)).AllAsync()).Count);
    }

    [Fact]
    public async Task A_failing_iteration_ends_its_sequences_and_the_engine_goes_on()
    {
        await using var engine = model.Start();
        InstallBroken(engine);

        var failed = await engine.Submit(Greedy(model.Prompt(5, 1), 4, "broken")).AllAsync();
        var healthy = await engine.Submit(Greedy(model.Prompt(5, 1), 4)).AllAsync();

        var end = Assert.Single(failed);
        Assert.Equal(FinishReason.Error, end.Finish);
        Assert.NotNull(end.Error);
        Assert.Equal(4, healthy.Count);
        Assert.Equal(1, engine.Metrics.FailedIterations.Value);
    }

    [Theory]
    [InlineData(ScalarType.Float32, 2)]
    [InlineData(ScalarType.Float64, 2)] // The pass in tensors.
    [InlineData(ScalarType.Float64, null)] // The same, which draws by itself, as on a device.
    public async Task An_adapter_whose_numbers_overflow_ends_its_own_requests_and_no_others(ScalarType type, int? logprobs)
    {
        await using var engine = model.Start(o => o with { Type = type });
        InstallOverflowing(engine);
        var healthy = Greedy(model.Prompt(5, 1), 20) with { TopLogprobs = logprobs };
        var alone = await engine.Submit(healthy with { CacheSalt = "alone" }).AllAsync();

        // Its prompt ends inside a block, which the healthy one takes next.
        var together = engine.SubmitTogether([healthy with { PromptTokens = model.Prompt(7, 2), Adapter = "broken" }, healthy]);

        var end = Assert.Single(await together[0].AllAsync());
        Assert.Equal(FinishReason.Error, end.Finish);
        Assert.Contains("not finite", end.Error, StringComparison.Ordinal);
        Assert.Equal(alone.Select(e => (e.Token, e.Finish)), (await together[1].AllAsync()).Select(e => (e.Token, e.Finish)));
        Assert.Equal(0, engine.Metrics.FailedIterations.Value);
        await engine.RunOnEngineThreadAsync(() => 0, CancellationToken.None);
        Assert.Equal((0, 512), (engine.CurrentLoad.Running, engine.CurrentLoad.FreeBlocks));
    }

    [Fact]
    public async Task A_failing_training_session_leaves_the_loop_and_inference_goes_on()
    {
        await using var engine = model.Start();
        using var training = new ScriptedTraining(model.Config, model.Prompt(9, 1), null, 1) { FailIn = new InvalidDataException("broken data") };
        var told = new TaskCompletionSource<Exception>(TaskCreationOptions.RunContinuationsAsynchronously);
        Generation generation;
        using (engine.Hold())
        {
            generation = engine.Submit(Greedy(model.Prompt(5, 1), 4));
            engine.AttachTraining(training, told.SetResult);
        }

        Assert.Equal(4, (await generation.AllAsync()).Count);
        Assert.IsType<InvalidDataException>(await told.Task.WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.Equal(1, engine.Metrics.TrainingFaults.Value);
    }

    [Fact]
    public async Task A_failing_request_does_not_cost_the_training_beside_it()
    {
        await using var engine = model.Start();
        InstallBroken(engine);
        using var training = new ScriptedTraining(model.Config, model.Prompt(9, 1), null, 3);
        Generation generation;
        using (engine.Hold())
        {
            generation = engine.Submit(Greedy(model.Prompt(5, 1), 4, "broken"));
            engine.AttachTraining(training);
        }

        Assert.Equal(FinishReason.Error, Assert.Single(await generation.AllAsync()).Finish);
        await training.Finished.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(0, engine.Metrics.TrainingFaults.Value);
    }

    [Fact]
    public async Task Warm_up_runs_an_iteration()
    {
        await using var engine = model.Start();

        await engine.WarmUpAsync();

        Assert.True(engine.Metrics.Iterations.Value >= 4);
    }

    // A pair of another model's shape, which loading from a folder would have refused.
    private static void InstallBroken(LlmEngine engine)
    {
        using var scope = NewDisposeScope();
        Install(engine, zeros(2, 7), zeros(9, 2));
    }

    // Finite numbers, which loading takes, with products beyond Float32.
    private void InstallOverflowing(LlmEngine engine)
    {
        using var scope = NewDisposeScope();
        int hidden = model.Config.HiddenSize;
        Install(engine, ones(2, hidden) * 1e38, ones(hidden, 2) * 1e38);
    }

    // On what attention adds to the residual, so that everything after it is touched.
    private static void Install(LlmEngine engine, Tensor a, Tensor b)
    {
        var patch = new LinearPatch { A = a, B = b }.Keep();
        engine.Install(new PeftAdapter("broken", new LoraMethod { Rank = 2 }, [[null, null, null, patch, null, null, null], new LinearPatch?[7]]));
    }
}
