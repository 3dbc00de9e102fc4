using AiFabric.Engine.Requests;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

public sealed class SoakTests(ITestOutputHelper output)
{
    private const int Requests = 1000;
    private const int Quarter = Requests / 4;
    private const double MaxGrowthMegabytes = 128; // Loose: the managed heap may breathe, a tensor kept per request may not.

    [Fact]
    public async Task Tensor_count_returns_to_its_start_after_a_thousand_mixed_requests_with_cancellations()
    {
        using var model = new RandomModel();
        long beforeEngine = LiveTensors.Settled();
        await using (var engine = model.Start(o => o with { KvBlocks = 96, MaxFinetuneTokensPerIteration = 16, MaxQueuedRequests = 1000 }))
        {
            engine.Install(model.Adapter("a", 2, 1));
            engine.Install(model.Adapter("b", 4, 2));
            await engine.WarmUpAsync();
            long atStart = Tensor.TotalCount;
            using var training = new ScriptedTraining(model.Config, model.Prompt(40, 9), null, rounds: 20);
            engine.AttachTraining(training);

            var megabytes = new double[4];
            await Parallel.ForAsync(0, Requests, new ParallelOptions { MaxDegreeOfParallelism = 24 }, async (i, _) =>
            {
                await RunOneAsync(engine, model, i);
                if (i % Quarter == Quarter - 1)
                    megabytes[i / Quarter] = Environment.WorkingSet / 1e6;
            });
            output.WriteLine($"Process memory after each {Quarter} requests: {string.Join(", ", megabytes.Select(m => $"{m:F1} MB"))}");
            Assert.InRange(megabytes[^1] - megabytes[0], double.NegativeInfinity, MaxGrowthMegabytes);

            await training.Finished.WaitAsync(TimeSpan.FromMinutes(1));
            await engine.DetachTrainingAsync(training);
            training.Dispose();
            Assert.Equal(atStart, Tensor.TotalCount);
            Assert.Equal((0, 0, 96), (engine.CurrentLoad.Running, engine.CurrentLoad.Queued, engine.CurrentLoad.FreeBlocks));
            Assert.True(engine.Metrics.Finished(FinishReason.Cancelled).Value > 50);
            Assert.Equal(0, engine.Metrics.FailedIterations.Value);
        }
        Assert.Equal(beforeEngine, Tensor.TotalCount);
    }

    private static async Task RunOneAsync(LlmEngine engine, RandomModel model, int i)
    {
        var random = new Random(i);
        using var generation = engine.Submit(new GenerationRequest
        {
            PromptTokens = model.Prompt(random.Next(1, 40), i % 7),
            MaxTokens = random.Next(1, 24),
            Adapter = (i % 3) switch { 0 => "a", 1 => "b", _ => null },
            TopLogprobs = i % 5 == 0 ? 3 : null,
            Sampling = new SamplingParameters { Seed = i, TopP = 0.9, FrequencyPenalty = i % 2 },
        });
        int leaveAfter = i % 4 == 0 ? random.Next(0, 6) : int.MaxValue;
        int finishes = 0;
        if (leaveAfter == 0)
            generation.Dispose();
        await foreach (var next in generation.Events.ReadAllAsync())
        {
            if (--leaveAfter == 0)
                generation.Dispose();
            finishes += next.Finish is null ? 0 : 1;
        }
        Assert.Equal(1, finishes);
    }
}
