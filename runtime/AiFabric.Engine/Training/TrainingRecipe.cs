using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Training.Objectives;
using AiFabric.Engine.Training.Planning;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training;

/// <summary>Element types of an adapter. Training's own sums are Float32 in both.</summary>
public enum AdapterType
{
    Float32,

    /// <summary>Half the bytes. Forward passes in training read the rounded values, so that losses are those of the adapter that is written.</summary>
    BFloat16,
}

/// <summary>Everything a finetuning job is: data, adapter, optimizer, and where its results go. Paths are local.</summary>
public sealed record TrainingRecipe
{
    /// <summary>Name of the adapter that is made.</summary>
    public required string AdapterName { get; init; }

    /// <summary>JSON lines to train on.</summary>
    public required string DatasetPath { get; init; }

    public DatasetFormat Format { get; init; } = DatasetFormat.Text;

    /// <summary>Held-out data of the same format; null holds out <see cref="EvalFraction"/> of the data set.</summary>
    public string? EvalPath { get; init; }

    /// <summary>
    /// Part of the data set that is drawn by the seed and held out, in [0, 1); at least one example where it is above 0, and <see cref="MaxEvaluationSequences"/> at most.
    /// Not beside <see cref="EvalPath"/>.
    /// </summary>
    public double EvalFraction { get; init; } = 0.1;

    /// <summary>Ends the job early and keeps the best adapter; null runs all steps and keeps the last.</summary>
    public EarlyStopping? EarlyStopping { get; init; }

    /// <summary>β of direct preference optimization; null for supervised learning.</summary>
    public double? PreferenceBeta { get; init; }

    /// <summary>What is trained, and where.</summary>
    public PeftMethod Method { get; init; } = new LoraMethod();

    /// <summary>Element type of the adapter that is made.</summary>
    public AdapterType AdapterType { get; init; }

    public double LearningRate { get; init; } = 5e-4;

    public int Epochs { get; init; } = 1;

    /// <summary>Optimizer steps at most; null for as many as the epochs hold.</summary>
    public int? MaxSteps { get; init; }

    /// <summary>Sequences per optimizer step.</summary>
    public int BatchSize { get; init; } = 4;

    /// <summary>Tokens per sequence; longer samples are cut.</summary>
    public int SequenceLength { get; init; } = 256;

    /// <summary>Batches whose gradients are added up to one optimizer step: it reads <see cref="BatchSize"/> times this many sequences.</summary>
    public int GradientAccumulationSteps { get; init; } = 1;

    /// <summary>How the learning rate goes on after warm-up.</summary>
    public LearningRateSchedule Schedule { get; init; }

    /// <summary>Steps over which the learning rate rises linearly from zero.</summary>
    public int WarmupSteps { get; init; }

    /// <summary>Decoupled weight decay.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Global norm to which gradients are scaled down.</summary>
    public double MaxGradientNorm { get; init; } = 1.0;

    /// <summary>Seed of the data order and of the adapter's first values.</summary>
    public long Seed { get; init; }

    /// <summary>Examples that are held out at most, drawn by the seed from more: a bound on what evaluation takes from training. A pair of preferences is one.</summary>
    public int MaxEvaluationSequences { get; init; } = 32;

    /// <summary>Control experiment: permutes the targets within each training text, which leaves nothing to learn beyond token frequencies.</summary>
    public bool ShuffleLabels { get; init; }

    /// <summary>Folder of checkpoints, of this job alone.</summary>
    public required string CheckpointFolder { get; init; }

    /// <summary>Optimizer steps between two checkpoints.</summary>
    public int CheckpointIntervalSteps { get; init; } = 10;

    /// <summary>Checkpoints kept.</summary>
    public int CheckpointRetain { get; init; } = 2;

    /// <summary>PEFT folder that is made at the end.</summary>
    public required string OutputFolder { get; init; }

    /// <summary>Name of the base model, for <c>base_model_name_or_path</c>.</summary>
    public string BaseModelName { get; init; } = string.Empty;

    internal TrainingObjective Objective() => PreferenceBeta is { } beta ? new PreferenceObjective(beta) : new SupervisedObjective();

    /// <summary>Element type of the adapter's file.</summary>
    internal ScalarType FileType => AdapterType == AdapterType.BFloat16 ? ScalarType.BFloat16 : ScalarType.Float32;

    /// <summary>Checks every number against its range and against the model.</summary>
    /// <exception cref="TrainingException">InvalidHyperparameters; the message names the field, its value and what is allowed.</exception>
    public void Validate(DecoderConfig config)
    {
        if (Method.Problem(config) is { } problem)
            throw new TrainingException(TrainingErrorReasons.InvalidHyperparameters, problem + ".");
        Require(double.IsFinite(LearningRate) && LearningRate > 0, "learningRate", LearningRate, "a positive number");
        Require(Epochs >= 1, "epochs", Epochs, "at least 1");
        Require(MaxSteps is null or >= 1, "maxSteps", MaxSteps ?? 0, "at least 1, or absent");
        Require(BatchSize >= 1, "batchSize", BatchSize, "at least 1");
        Require(
            SequenceLength >= 2 && SequenceLength <= config.MaximumPositions,
            "sequenceLength", SequenceLength, $"2 to the model's context length, {config.MaximumPositions}");
        Require(GradientAccumulationSteps >= 1, "gradientAccumulationSteps", GradientAccumulationSteps, "at least 1");
        Require((long)BatchSize * GradientAccumulationSteps <= int.MaxValue, "gradientAccumulationSteps", GradientAccumulationSteps, "smaller for this batchSize");
        Require(EvalFraction is >= 0 and < 1, "evalFraction", EvalFraction, "at least 0 and less than 1");
        Require(EarlyStopping is null or { Patience: >= 1 }, "earlyStopping.patience", EarlyStopping?.Patience ?? 0, "at least 1");
        Require(EarlyStopping is null or { MinDelta: >= 0 and < double.PositiveInfinity }, "earlyStopping.minDelta", EarlyStopping?.MinDelta ?? 0, "0 or more");
        Require(PreferenceBeta is null or (> 0 and < double.PositiveInfinity), "dpo.beta", PreferenceBeta ?? 0, "a positive number");
        if (Format == DatasetFormat.Preference != PreferenceBeta is not null)
        {
            throw new TrainingException(
                TrainingErrorReasons.InvalidHyperparameters,
                $"dataset.format is {Format}; the objective {(PreferenceBeta is null ? "SupervisedFinetuning needs another than" : "DPO needs")} Preference.");
        }

        Require(WarmupSteps >= 0, "warmupSteps", WarmupSteps, "at least 0");
        Require(double.IsFinite(WeightDecay) && WeightDecay >= 0, "weightDecay", WeightDecay, "0 or more");
        Require(MaxGradientNorm > 0, "maxGradientNorm", MaxGradientNorm, "a positive number");
        Require(MaxEvaluationSequences >= 1, "maxEvaluationSequences", MaxEvaluationSequences, "at least 1");
        Require(CheckpointIntervalSteps >= 1, "checkpointIntervalSteps", CheckpointIntervalSteps, "at least 1");
        Require(CheckpointRetain >= 1, "checkpointRetain", CheckpointRetain, "at least 1");
    }

    /// <summary>
    /// Names what a checkpoint's numbers depend on: model, data and hyperparameters, not paths, intervals or how long the job runs.
    /// A checkpoint of another hash is not resumed.
    /// </summary>
    /// <param name="baseDigest">Digest of the base weights.</param>
    /// <param name="datasetDigest">Digest of the encoded data.</param>
    /// <param name="totalSteps">Steps of the whole job.</param>
    internal string Hash(string baseDigest, string datasetDigest, int totalSteps)
    {
        string fields = JsonSerializer.Serialize(new object[]
        {
            baseDigest, datasetDigest, PeftConfig.ToJson(Method, string.Empty), AdapterType, LearningRate, BatchSize, SequenceLength,
            WarmupSteps, WeightDecay, MaxGradientNorm, Seed, ShuffleLabels, GradientAccumulationSteps, Schedule, PreferenceBeta ?? 0.0,
            // A falling learning rate depends on where it ends.
            Schedule == LearningRateSchedule.Constant ? 0 : totalSteps,
        });
        return "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(fields)));
    }

    private static void Require<T>(bool holds, string field, T value, string allowed)
        where T : IFormattable
    {
        if (!holds)
            throw new TrainingException(TrainingErrorReasons.InvalidHyperparameters, $"{field} is {value}; it must be {allowed}.");
    }
}
