using System.Globalization;
using System.Text.Json;
using AiFabric.Gateway.Finetuning.Files;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Routing;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.Finetuning.Orders;

/// <summary>Makes an order of a request, or says which field is wrong.</summary>
/// <param name="files">Where training files are.</param>
/// <param name="routes">Knows the models.</param>
/// <param name="time">Clock.</param>
public sealed class OrderReader(FileStore files, RouteKeeper routes, TimeProvider time)
{
    private const int MaxSuffix = 40;
    private const int MaxMetadata = 16;

    /// <returns>The order, not kept yet; or the error to answer with.</returns>
    public (Order? Order, OpenAIError? Error) Read(FineTuningRequest request, string tenant)
    {
        ModelKey model = default;
        StoredFile? training = null, validation = null;
        double? epochs = null, batch = null, rate = null;
        OpenAIError? wrong = CheckWhole(request) ?? CheckModel(request.Model, out model);
        wrong ??= FindFile(request.TrainingFile, "training_file", tenant, out training);
        if (request.ValidationFile is not null)
            wrong ??= FindFile(request.ValidationFile, "validation_file", tenant, out validation);
        FineTuningHyperparameters? asked = request.Method?.Supervised?.Hyperparameters ?? request.Hyperparameters;
        wrong ??= ReadNumber(asked?.NEpochs, "n_epochs", 1, 1_000, whole: true, out epochs);
        wrong ??= ReadNumber(asked?.BatchSize, "batch_size", 1, 4_096, whole: true, out batch);
        wrong ??= ReadNumber(asked?.LearningRateMultiplier, "learning_rate_multiplier", 1e-6, 1e6, whole: false, out rate);
        if (wrong is not null || training is null)
            return (null, wrong);
        if (validation is not null && validation.Format != training.Format)
            return (null, OpenAIError.Invalid($"'validation_file' holds {validation.Format} lines, the training file {training.Format}.", "validation_file"));
        string id = FileStore.NewId("ftjob-");
        return (new Order
        {
            Id = id,
            Tenant = tenant,
            CreatedAt = time.GetUtcNow().ToUnixTimeSeconds(),
            AskedModel = request.Model!, // checked above
            Namespace = model.Namespace,
            Model = model.Name,
            AdapterName = AdapterName(request.Suffix, id),
            TrainingFile = training.Id,
            ValidationFile = validation?.Id,
            DatasetUri = files.UriOf(training),
            Format = training.Format,
            EvalUri = validation is null ? null : files.UriOf(validation),
            Epochs = (int?)epochs,
            BatchSize = (int?)batch,
            LearningRateMultiplier = rate,
            Seed = request.Seed ?? 0,
            Metadata = request.Metadata,
        }, null);
    }

    /// <summary>The suffix in the letters of a Kubernetes name, and an end of the id that keeps two jobs of one suffix apart.</summary>
    internal static string AdapterName(string? suffix, string id)
    {
        string letters = new([.. (suffix ?? "").ToLowerInvariant().Select(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) ? c : '-')]);
        string stem = letters.Trim('-');
        return $"{(stem.Length > 0 ? stem : "ft")}-{id[^8..]}";
    }

    private static OpenAIError? CheckWhole(FineTuningRequest request) => request switch
    {
        { Method.Type: not "supervised" } => OpenAIError.Invalid($"'method.type' is '{request.Method.Type}'; known is 'supervised'.", "method.type"),
        { Method.Supervised.Hyperparameters: not null, Hyperparameters: not null } =>
            OpenAIError.Invalid("Give the hyperparameters once: in 'method', or beside it.", "hyperparameters"),
        { Integrations: { ValueKind: not JsonValueKind.Null } some } when some.ValueKind != JsonValueKind.Array || some.GetArrayLength() > 0 =>
            OpenAIError.Invalid("'integrations' are not known here; follow the job's events, or the metrics of its worker.", "integrations"),
        { Suffix.Length: 0 or > MaxSuffix } => OpenAIError.Invalid($"'suffix' must have 1 to {MaxSuffix} characters.", "suffix"),
        { Seed: < 0 } => OpenAIError.Invalid("'seed' must be 0 or more.", "seed"),
        { Metadata.Count: > MaxMetadata } => OpenAIError.Invalid($"'metadata' must have at most {MaxMetadata} entries.", "metadata"),
        _ => null,
    };

    private OpenAIError? CheckModel(string? asked, out ModelKey model)
    {
        model = default;
        if (string.IsNullOrEmpty(asked))
            return OpenAIError.Invalid("'model' is required.", "model");
        ModelName name = ModelName.Parse(asked);
        ModelKey[] found = [.. routes.Table.Declared.Where(declared => name.Matches(declared.Key.Namespace, declared.Value.ServedName)).Select(declared => declared.Key)];
        if (found.Length != 1)
        {
            return found.Length == 0
                ? OpenAIError.ModelNotFound(asked)
                : OpenAIError.Invalid($"Several models are served as '{name.Name}'; put the namespace before the name, as in '{found[0].Namespace}/{name.Name}'.", "model", "model_ambiguous");
        }
        if (name.Adapter is not null)
            return OpenAIError.Invalid($"'{asked}' is an adapter; finetuning starts from the base model '{name.Name}'.", "model");
        model = found[0];
        return null;
    }

    private OpenAIError? FindFile(string? id, string param, string tenant, out StoredFile? file)
    {
        file = id is null ? null : files.Find(id, tenant);
        if (file is { Purpose: not FilePurposes.FineTune })
            return OpenAIError.Invalid($"File '{id}' was uploaded as '{file.Purpose}'; '{param}' needs one that was uploaded as '{FilePurposes.FineTune}'.", param);
        if (file is not null)
            return null;
        return string.IsNullOrEmpty(id)
            ? OpenAIError.Invalid($"'{param}' is required: the id of a file that was uploaded to /v1/files.", param)
            : FileEndpoints.Unknown(id, param) with { Status = StatusCodes.Status400BadRequest };
    }

    private static OpenAIError? ReadNumber(JsonElement? value, string name, double least, double most, bool whole, out double? number)
    {
        number = null;
        if (value is not { } element || element.ValueKind == JsonValueKind.Null || (element.ValueKind == JsonValueKind.String && element.ValueEquals("auto"u8)))
            return null;
        if (element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out double read) && read >= least && read <= most && (!whole || read == Math.Floor(read)))
        {
            number = read;
            return null;
        }
        return OpenAIError.Invalid(
            string.Create(CultureInfo.InvariantCulture, $"'{name}' must be 'auto' or a {(whole ? "whole number" : "number")} from {least} to {most}."), $"hyperparameters.{name}");
    }
}
