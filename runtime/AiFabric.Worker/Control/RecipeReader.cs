using AiFabric.Engine.Adapters;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;
using AiFabric.Protocol.Control;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Storage;

namespace AiFabric.Worker.Control;

/// <summary>Turns a training request into the engine's recipe: URIs become paths, names become enums. Ranges are the session's to check.</summary>
internal static class RecipeReader
{
    /// <exception cref="ApiException">400 naming the field.</exception>
    public static TrainingRecipe Read(TrainingRequest request, string baseModelName)
    {
        var numbers = request.Hyperparameters;
        return new TrainingRecipe
        {
            AdapterName = request.Job,
            BaseModelName = baseModelName,
            DatasetPath = PathOf("dataset.uri", request.Dataset.Uri),
            Format = FormatOf(request.Dataset.Format),
            EvalPath = request.Dataset.EvalUri is { } evalUri ? PathOf("dataset.evalUri", evalUri) : null,
            Rank = request.Lora.Rank,
            Alpha = request.Lora.Alpha,
            Targets = [.. request.Lora.TargetModules.Select(TargetOf)],
            LearningRate = numbers.LearningRate,
            Epochs = numbers.Epochs,
            MaxSteps = numbers.MaxSteps,
            BatchSize = numbers.BatchSize,
            SequenceLength = numbers.SequenceLength,
            WarmupSteps = numbers.WarmupSteps,
            WeightDecay = numbers.WeightDecay,
            MaxGradientNorm = numbers.MaxGradientNorm,
            Seed = numbers.Seed,
            CheckpointFolder = PathOf("checkpointUri", request.CheckpointUri),
            CheckpointIntervalSteps = request.CheckpointIntervalSteps,
            CheckpointRetain = request.CheckpointRetain,
            OutputFolder = PathOf("outputUri", request.OutputUri),
        };
    }

    private static string PathOf(string field, string uri)
    {
        try
        {
            return StorageUri.ToPath(uri);
        }
        catch (StorageException e)
        {
            throw new ApiException(400, $"'{field}': {e.Message}", field, "invalid_uri");
        }
    }

    private static LoraTarget TargetOf(string name) => LoraTargets.TryParse(name, out var target)
        ? target
        : throw ApiException.Invalid("lora.targetModules", $"names '{name}'; known: {string.Join(", ", LoraTargets.All.Select(t => t.ModuleName()))}.");

    private static DatasetFormat FormatOf(TrainingDataFormat format) => format switch
    {
        TrainingDataFormat.PromptCompletion => DatasetFormat.PromptCompletion,
        TrainingDataFormat.Chat => DatasetFormat.Chat,
        _ => DatasetFormat.Text,
    };
}
