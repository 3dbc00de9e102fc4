using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Training.Planning;
using AiFabric.Protocol.Control;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Storage;

namespace AiFabric.Worker.Control;

/// <summary>Turns a training request into the engine's recipe: URIs become paths, names become enums. Ranges are the engine's to check.</summary>
internal static class RecipeReader
{
    /// <summary>The request with its data on this machine: what is remote is downloaded.</summary>
    /// <exception cref="ApiException">400 naming the field; 503 when the data cannot be had now.</exception>
    public static async Task<FetchedRequest> FetchAsync(TrainingRequest request, ModelStore store, CancellationToken cancellationToken)
    {
        var dataset = request.Dataset;
        var (uri, lease) = await FetchAsync("dataset.uri", dataset.Uri, store, cancellationToken);
        try
        {
            if (dataset.EvalUri is not { } remote)
                return new FetchedRequest(request with { Dataset = dataset with { Uri = uri } }, lease);
            var (evalUri, evalLease) = await FetchAsync("dataset.evalUri", remote, store, cancellationToken);
            return new FetchedRequest(request with { Dataset = dataset with { Uri = uri, EvalUri = evalUri } }, lease, evalLease);
        }
        catch
        {
            lease?.Dispose();
            throw;
        }
    }

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
            Method = MethodOf(request),
            LearningRate = numbers.LearningRate,
            Epochs = numbers.Epochs,
            MaxSteps = numbers.MaxSteps,
            BatchSize = numbers.BatchSize,
            SequenceLength = numbers.SequenceLength,
            GradientAccumulationSteps = numbers.GradientAccumulationSteps,
            Schedule = ScheduleOf(numbers.LearningRateSchedule),
            WarmupSteps = numbers.WarmupSteps,
            WeightDecay = numbers.WeightDecay,
            MaxGradientNorm = numbers.MaxGradientNorm,
            Seed = numbers.Seed,
            CheckpointFolder = PathOf("checkpointUri", request.CheckpointUri),
            CheckpointIntervalSteps = request.CheckpointIntervalSteps,
            CheckpointRetain = request.CheckpointRetain,
            OutputFolder = PathOf("outputUri", request.OutputUri),
            AdapterType = request.OutputPrecision == TrainingPrecision.BFloat16 ? AdapterType.BFloat16 : AdapterType.Float32,
            PreferenceBeta = request.Objective == TrainingObjective.DPO ? request.DpoBeta : null,
            EarlyStopping = request.EarlyStopping is { } stopping ? new EarlyStopping(stopping.Patience, stopping.MinDelta) : null,
            EvalFraction = FractionOf(request.Dataset),
        };
    }

    private static async Task<(string Uri, IDisposable? Lease)> FetchAsync(string field, string uri, ModelStore store, CancellationToken cancellationToken)
    {
        if (!StorageUri.IsRemote(uri))
            return (uri, null);
        try
        {
            var (path, lease) = await store.FileAsync(uri, cancellationToken);
            return (StorageUri.FromPath(path), lease);
        }
        catch (StorageException e)
        {
            throw new ApiException(400, $"'{field}': {e.Message}", field, "invalid_uri");
        }
        catch (DownloadException e)
        {
            throw DownloadError.Of(field, e);
        }
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

    private static PeftMethod MethodOf(TrainingRequest request) => request.Method == TrainingMethod.IA3 ? Ia3(request.Lora) : Lora(request.Lora);

    // What a method does not take is refused, not ignored.
    private static Ia3Method Ia3(TrainingLora lora) => lora is { TargetModules.Count: 0, Dropout: 0, UseDora: false, UseRslora: false }
        ? new Ia3Method()
        : throw ApiException.Invalid("lora", "is set, but method is IA3.");

    private static LoraMethod Lora(TrainingLora lora)
    {
        LoraMethod method = lora.UseDora ? new DoraMethod() : new LoraMethod();
        return method with
        {
            Rank = lora.Rank,
            Alpha = lora.Alpha,
            Dropout = lora.Dropout,
            RankStabilized = lora.UseRslora,
            Targets = [.. lora.TargetModules.Select(TargetOf)],
        };
    }

    private static double FractionOf(TrainingDataset dataset) => dataset switch
    {
        { EvalUri: not null, EvalFraction: not null } => throw ApiException.Invalid("dataset.evalFraction", "stands beside evalUri: give one of them."),
        _ => dataset.EvalFraction ?? 0.1,
    };

    private static LearningRateSchedule ScheduleOf(TrainingSchedule schedule) => schedule switch
    {
        TrainingSchedule.Linear => LearningRateSchedule.Linear,
        TrainingSchedule.Cosine => LearningRateSchedule.Cosine,
        _ => LearningRateSchedule.Constant,
    };

    private static LoraTarget TargetOf(string name) => LoraTargets.TryParse(name, out var target)
        ? target
        : throw ApiException.Invalid("lora.targetModules", $"names '{name}'; known: {string.Join(", ", LoraTargets.All.Select(t => t.ModuleName()))}.");

    private static DatasetFormat FormatOf(TrainingDataFormat format) => format switch
    {
        TrainingDataFormat.PromptCompletion => DatasetFormat.PromptCompletion,
        TrainingDataFormat.Chat => DatasetFormat.Chat,
        TrainingDataFormat.PlainText => DatasetFormat.PlainText,
        TrainingDataFormat.Preference => DatasetFormat.Preference,
        _ => DatasetFormat.Text,
    };
}
