using System.Globalization;
using System.Text.Json;
using AiFabric.Benchmarks.Speed;
using AiFabric.Engine;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiFabric.Benchmarks.CoServing;

/// <summary>A finetuning job that does not end: LoRA of rank 16 on the MLP's down projection, sequences of 512 random tokens, eight to a step, as FlexLLM measures.</summary>
internal sealed class FinetuneLoad : IDisposable
{
    private const int SequenceTokens = 512;
    private const int Samples = 64;
    private const int Forever = 1_000_000;

    private readonly string folder = Directory.CreateTempSubdirectory("aifabric-coserve").FullName;
    private readonly TrainingSession session;

    public FinetuneLoad(LlmEngine engine)
    {
        string data = Path.Combine(folder, "data.jsonl");
        File.WriteAllLines(data, Enumerable.Range(0, Samples).Select(i => JsonSerializer.Serialize(new { text = i.ToString(CultureInfo.InvariantCulture) })));
        var encoder = new SampleEncoder(
            (parts, _) => [.. parts.Select(text => Prompts.Random(int.Parse(text, CultureInfo.InvariantCulture), SequenceTokens + 1, engine.Config.VocabularySize))],
            null, null);
        var recipe = new TrainingRecipe
        {
            AdapterName = "coserve",
            DatasetPath = data,
            Method = new LoraMethod { Rank = 16, Targets = [LoraTarget.Down] },
            SequenceLength = SequenceTokens + 1, // The last token is only a target.
            BatchSize = 8,
            Epochs = Forever,
            MaxSteps = Forever,
            MaxEvaluationSequences = 1,
            CheckpointFolder = Path.Combine(folder, "checkpoints"),
            CheckpointIntervalSteps = Forever,
            OutputFolder = Path.Combine(folder, "adapter"),
            BaseModelName = "coserve",
        };
        session = TrainingSession.Start(recipe, engine.Weights, encoder, TimeProvider.System, NullLogger.Instance);
        engine.AttachTraining(session);
    }

    /// <exception cref="BenchException">The job failed.</exception>
    public void Check()
    {
        if (session.Progress.Error is { } error)
            throw new BenchException($"the finetuning job failed: {error.Message}");
    }

    public async Task StopAsync(LlmEngine engine) => await engine.DetachTrainingAsync(session);

    public void Dispose()
    {
        session.Dispose();
        Directory.Delete(folder, recursive: true);
    }
}
