using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Tests.Execution;
using AiFabric.Engine.Training;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

/// <summary>A session inside the serving loop.</summary>
public sealed class EngineTrainingTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_job_beside_inference_ends_with_the_adapter_that_it_makes_alone()
    {
        set_num_threads(1);
        using var model = new RandomModel();
        using var folder = new TemporaryFolder();
        TrainingRecipe alone = Recipes.Make(folder).WithCountingText();
        using (DecoderWeights weights = DecoderWeights.Load(model.Path, ScalarType.Float64, CPU))
        using (var harness = new SessionHarness(alone, weights))
            Assert.Equal(TrainingState.Succeeded, harness.RunToEnd().State);

        TrainingRecipe beside = alone with { CheckpointFolder = folder.File("checkpoints2"), OutputFolder = folder.File("adapter2") };
        await using LlmEngine engine = model.Start(options => options with { Type = ScalarType.Float64 });
        using var session = TrainingSession.Start(beside, engine.Weights, Recipes.Encoder, TimeProvider.System, NullLogger.Instance);
        Generation next = engine.SubmitTogether([EngineTestExtensions.Greedy(model.Prompt(5, 0), 20)], session)[0];
        int finished = 0;
        while (true)
        {
            Assert.NotNull((await next.AllAsync())[^1].Finish);
            Assert.True(++finished < 2_000, $"Not done after {finished} answers: {session.Progress}");
            if (session.Progress.State is not (TrainingState.Starting or TrainingState.Running))
                break;
            next = engine.Submit(EngineTestExtensions.Greedy(model.Prompt(5, finished), 20));
        }

        Assert.Equal((TrainingState.Succeeded, 6), (session.Progress.State, session.Progress.Step));
        Assert.True(engine.Metrics.CoServedIterations.Value > 0);
        using AdapterValues expected = PeftFolder.Read(alone.OutputFolder, model.Config, ScalarType.Float64, CPU);
        using AdapterValues actual = PeftFolder.Read(beside.OutputFolder, model.Config, ScalarType.Float64, CPU);
        double difference = Largest(expected, actual, (e, a) => e - a), largest = Largest(expected, expected, (e, _) => e);
        output.WriteLine($"{finished} answers, {engine.Metrics.CoServedIterations.Value} shared iterations, largest value {largest:E2}, largest difference {difference:E2}");
        Assert.InRange(difference, 0, 1e-6); // Float32 in the file
        await engine.DetachTrainingAsync(session);

        AdapterInfo loaded = await engine.LoadAdapterAsync("tuned", beside.OutputFolder, session.Progress.AdapterDigest, CancellationToken.None);
        Assert.Equal(session.Progress.AdapterDigest, loaded.Digest);
        Assert.NotEmpty(await engine.Submit(EngineTestExtensions.Greedy(model.Prompt(5, 1), 3, "tuned")).AllAsync());
    }

    [Fact]
    public async Task A_sleeping_engine_wakes_for_a_job_and_a_cancelled_one_lets_it_sleep()
    {
        using var model = new RandomModel();
        using var folder = new TemporaryFolder();
        await using LlmEngine engine = model.Start();
        var recipe = Recipes.Make(folder).WithCountingText() with { MaxSteps = 1_000_000, Epochs = 1_000_000, CheckpointIntervalSteps = 1_000_000 };
        using var session = TrainingSession.Start(recipe, engine.Weights, Recipes.Encoder, TimeProvider.System, NullLogger.Instance);
        engine.AttachTraining(session);
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        while (session.Progress.Step < 2) // no request comes: only the job's own signal starts it
            await Task.Delay(10, deadline.Token);
        await session.CancelAsync().WaitAsync(deadline.Token);
        Assert.Equal(TrainingState.Cancelled, session.Progress.State);
        await engine.DetachTrainingAsync(session);
        Assert.Equal(FinishReason.Length, (await engine.Submit(EngineTestExtensions.Greedy(model.Prompt(5, 1), 3)).AllAsync())[^1].Finish);
    }

    private static double Largest(AdapterValues left, AdapterValues right, Func<Tensor, Tensor, Tensor> part)
    {
        using var scope = NewDisposeScope();
        return left.Tensors.Zip(right.Tensors, (l, r) => part(l, r).abs().max().item<double>()).Max();
    }
}
