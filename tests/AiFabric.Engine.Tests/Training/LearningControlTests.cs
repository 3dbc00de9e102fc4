using System.Text.Json;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Training.Planning;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace AiFabric.Engine.Tests.Training;

/// <summary>
/// The demo model learns from a text that it has not seen, as a held-out part of that text shows; and only from the text: with the
/// targets permuted within each line, everything else equal, it does not.
/// </summary>
public sealed class LearningControlTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5); // For a machine that many share; alone it takes seconds.

    [Theory]
    [InlineData(Quantization.None)]
    [InlineData(Quantization.Q8)]
    public async Task Finetuning_lowers_the_held_out_loss_and_its_control_with_shuffled_labels_does_not(Quantization quantization)
    {
        string model = DemoModel.RequireFolder();
        await using LlmEngine engine = LlmEngine.Load(
            new EngineOptions { ModelFolder = model, KvBlocks = 64, Quantization = quantization }, TimeProvider.System, NullLoggerFactory.Instance);

        TrainingProgress real = await TrainAsync(engine, shuffleLabels: false);
        TrainingProgress control = await TrainAsync(engine, shuffleLabels: true);

        Assert.Equal(real.BaseEvalLoss, control.BaseEvalLoss);
        Assert.True(real.EvalLoss < real.BaseEvalLoss, $"Not learned: {real}");
        Assert.True(control.EvalLoss >= control.BaseEvalLoss, $"Learned from shuffled labels: {control}");
    }

    /// <summary>Terms and their definitions; and a book, the Jargon File's entries one after the other.</summary>
    [Theory]
    [InlineData(DatasetFormat.PromptCompletion)]
    [InlineData(DatasetFormat.PlainText)]
    public async Task Pairs_and_a_book_are_learned_and_their_controls_are_not(DatasetFormat format)
    {
        string model = DemoModel.RequireFolder();
        await using LlmEngine engine = LlmEngine.Load(new EngineOptions { ModelFolder = model, KvBlocks = 64 }, TimeProvider.System, NullLoggerFactory.Instance);
        using var folder = new TemporaryFolder();

        TrainingProgress real = await TrainAsync(engine, shuffleLabels: false, recipe => Of(recipe, format, folder));
        TrainingProgress control = await TrainAsync(engine, shuffleLabels: true, recipe => Of(recipe, format, folder));

        Assert.True(real.EvalLoss < real.BaseEvalLoss, $"Not learned: {real}");
        Assert.True(control.EvalLoss >= control.BaseEvalLoss, $"Learned from shuffled labels: {control}");
    }

    private static TrainingRecipe Of(TrainingRecipe recipe, DatasetFormat format, TemporaryFolder folder) => format == DatasetFormat.PromptCompletion
        ? recipe with { Format = format, DatasetPath = DemoModel.WordNetTrain, EvalPath = DemoModel.WordNetEval, BatchSize = 8, Schedule = LearningRateSchedule.Cosine }
        : recipe with
        {
            Format = format,
            DatasetPath = Book(folder.File("train.txt"), DemoModel.JargonTrain),
            EvalPath = Book(folder.File("eval.txt"), DemoModel.JargonEval),
            Method = new DoraMethod { Rank = 8, Alpha = 16, Dropout = 0.05 },
        };

    private static string Book(string path, string lines)
    {
        File.WriteAllLines(path, File.ReadLines(lines).Select(line => JsonDocument.Parse(line).RootElement.GetProperty("text").GetString() ?? ""));
        return path;
    }

    private async Task<TrainingProgress> TrainAsync(LlmEngine engine, bool shuffleLabels, Func<TrainingRecipe, TrainingRecipe>? change = null)
    {
        using var folder = new TemporaryFolder();
        TrainingRecipe recipe = Recipe(folder, shuffleLabels);
        long start = TimeProvider.System.GetTimestamp();
        using var session = TrainingSession.Start(
            change?.Invoke(recipe) ?? recipe, engine.Weights, new SampleEncoder(engine.Tokenizer), TimeProvider.System, NullLogger.Instance);
        engine.AttachTraining(session);
        using var deadline = new CancellationTokenSource(Deadline);
        while (session.Progress.State is TrainingState.Starting or TrainingState.Running)
            await Task.Delay(20, deadline.Token);
        TrainingProgress end = session.Progress;
        await engine.DetachTrainingAsync(session);

        output.WriteLine(
            $"{(shuffleLabels ? "labels shuffled" : "text as it is")}: held-out loss {end.BaseEvalLoss:F4} → {end.EvalLoss:F4} nats per token, " +
            $"{end.Step} steps, {end.Tokens} tokens, {TimeProvider.System.GetElapsedTime(start).TotalSeconds:F1} s");
        Assert.True(end.State == TrainingState.Succeeded, $"The job ended as {end}");
        return end;
    }

    private static TrainingRecipe Recipe(TemporaryFolder folder, bool shuffleLabels) => new()
    {
        AdapterName = "jargon",
        DatasetPath = DemoModel.JargonTrain,
        EvalPath = DemoModel.JargonEval,
        Method = new LoraMethod { Rank = 16, Alpha = 32 },
        LearningRate = 2e-3,
        WarmupSteps = 3,
        MaxSteps = 30,
        BatchSize = 4,
        SequenceLength = 128,
        Seed = 1,
        ShuffleLabels = shuffleLabels,
        CheckpointFolder = folder.File("checkpoints"),
        CheckpointIntervalSteps = 30,
        OutputFolder = folder.File("adapter"),
    };
}
