using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Storage;
using AiFabric.Operator.Validation;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;

namespace AiFabric.Operator.Finetuning;

/// <summary>Says a job in the worker's words. Pure.</summary>
internal static class TrainingRequests
{
    /// <summary>The body for <paramref name="pod"/>.</summary>
    /// <param name="job">A valid job.</param>
    /// <param name="data">Where jobs write by default.</param>
    /// <param name="pod">The replica; claims are looked up among its mounts.</param>
    /// <param name="problem">What the pod does not mount; passes when there is a body.</param>
    public static TrainingRequest? Make(FinetuneJob job, StorageUri data, WorkerPod pod, out Check problem)
    {
        var files = new Resolver(pod);
        FinetuneJobSpec spec = job.Spec;
        string dataset = files.Resolve(Parse(spec.Dataset.Uri), writable: false);
        string? eval = spec.Dataset.EvalUri is { } text ? files.Resolve(Parse(text), writable: false) : null;
        string checkpoints = files.Resolve(FinetunePaths.Checkpoints(job, data), writable: true);
        string output = files.Resolve(FinetunePaths.Output(job, data), writable: true);
        problem = files.Problem;
        if (!problem.Holds)
            return null;
        var request = new TrainingRequest
        {
            Job = job.Metadata.Name,
            Suspend = spec.Suspend == true,
            Dataset = new TrainingDataset
            {
                Uri = dataset,
                EvalUri = eval,
                EvalFraction = FinetuneRules.Number(spec.Dataset.EvalFraction),
                Format = Format(spec.Dataset.Format),
            },
            Method = spec.Method == FinetuneMethod.IA3 ? TrainingMethod.IA3 : TrainingMethod.LoRA,
            Lora = Lora(spec.Lora),
            Objective = spec.Objective == FinetuneObjective.DPO ? TrainingObjective.DPO : TrainingObjective.SupervisedFinetuning,
            EarlyStopping = spec.EarlyStopping is { } stopping
                ? new TrainingEarlyStopping { Patience = stopping.Patience ?? 1, MinDelta = FinetuneRules.Number(stopping.MinDelta) ?? 0 }
                : null,
            Hyperparameters = Settings(spec.Hyperparameters),
            CheckpointUri = checkpoints,
            OutputUri = output,
            OutputPrecision = spec.Output.Precision == AdapterPrecision.BFloat16 ? TrainingPrecision.BFloat16 : TrainingPrecision.Float32,
        };
        return request with
        {
            CheckpointIntervalSteps = spec.Checkpoint?.IntervalSteps ?? request.CheckpointIntervalSteps,
            CheckpointRetain = spec.Checkpoint?.Retain ?? request.CheckpointRetain,
            DpoBeta = FinetuneRules.Number(spec.Dpo?.Beta) ?? request.DpoBeta,
        };
    }

    private static StorageUri? Parse(string text) => StorageUri.TryParse(text, out StorageUri? uri, out _) ? uri : null;

    private static TrainingDataFormat Format(DatasetFormat? format) => format switch
    {
        DatasetFormat.PromptCompletion => TrainingDataFormat.PromptCompletion,
        DatasetFormat.Chat => TrainingDataFormat.Chat,
        DatasetFormat.PlainText => TrainingDataFormat.PlainText,
        DatasetFormat.Preference => TrainingDataFormat.Preference,
        _ => TrainingDataFormat.Text,
    };

    private static TrainingLora Lora(LoraHyperparameters? lora)
    {
        var defaults = new TrainingLora();
        return new TrainingLora
        {
            Rank = lora?.Rank ?? defaults.Rank,
            Alpha = lora?.Alpha ?? defaults.Alpha,
            TargetModules = [.. lora?.TargetModules ?? []],
            Dropout = FinetuneRules.Number(lora?.Dropout) ?? defaults.Dropout,
            UseRslora = lora?.UseRslora ?? defaults.UseRslora,
            UseDora = lora?.UseDora ?? defaults.UseDora,
        };
    }

    private static TrainingHyperparameters Settings(Hyperparameters? settings)
    {
        var defaults = new TrainingHyperparameters();
        return new TrainingHyperparameters
        {
            LearningRate = FinetuneRules.Number(settings?.LearningRate) ?? defaults.LearningRate,
            Epochs = settings?.Epochs ?? defaults.Epochs,
            MaxSteps = settings?.MaxSteps,
            BatchSize = settings?.BatchSize ?? defaults.BatchSize,
            SequenceLength = settings?.SequenceLength ?? defaults.SequenceLength,
            GradientAccumulationSteps = settings?.GradientAccumulationSteps ?? defaults.GradientAccumulationSteps,
            LearningRateSchedule = settings?.LearningRateSchedule switch
            {
                LearningRateSchedule.Linear => TrainingSchedule.Linear,
                LearningRateSchedule.Cosine => TrainingSchedule.Cosine,
                _ => TrainingSchedule.Constant,
            },
            WarmupSteps = settings?.WarmupSteps ?? defaults.WarmupSteps,
            WeightDecay = FinetuneRules.Number(settings?.WeightDecay) ?? defaults.WeightDecay,
            MaxGradientNorm = FinetuneRules.Number(settings?.MaxGradientNorm) ?? defaults.MaxGradientNorm,
            Seed = settings?.Seed ?? defaults.Seed,
        };
    }

    /// <summary>Turns places into files of one pod and keeps the first that is out of its reach.</summary>
    private sealed class Resolver(WorkerPod pod)
    {
        public Check Problem { get; private set; } = Check.Pass;

        public string Resolve(StorageUri? uri, bool writable)
        {
            string? file = uri?.WorkerUri(pod.Spec, writable);
            if (file is null && Problem.Holds)
            {
                Problem = Check.Fail(
                    Reasons.VolumeNotMounted,
                    $"the model's workers do not mount the claim of {uri}{(writable ? " for writing" : string.Empty)}: add it to the model's spec.template");
            }
            return file ?? string.Empty;
        }
    }
}
