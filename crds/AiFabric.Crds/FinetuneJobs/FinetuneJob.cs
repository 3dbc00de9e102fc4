using System.Text.Json.Serialization;
using AiFabric.Crds.Abstractions;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using k8s.Models;

namespace AiFabric.Crds.FinetuneJobs;

/// <summary>Finetunes an adapter on a replica of a CoServedModel, inside the iterations that serve inference.</summary>
[KubernetesEntity(Group = Group.Name, ApiVersion = Group.Version, Kind = "FinetuneJob", PluralName = "finetunejobs")]
[KubernetesEntityShortNames("ftj")]
[GenericAdditionalPrinterColumn(".spec.modelRef.name", "Model", "string")]
[GenericAdditionalPrinterColumn(".status.progress.step", "Step", "integer")]
[GenericAdditionalPrinterColumn(".status.progress.totalSteps", "Of", "integer")]
[GenericAdditionalPrinterColumn(".status.progress.loss", "Loss", "string")]
[GenericAdditionalPrinterColumn(".status.conditions[?(@.type==\"Running\")].status", "Running", "string")]
[GenericAdditionalPrinterColumn(".status.conditions[?(@.type==\"Complete\")].status", "Complete", "string")]
[GenericAdditionalPrinterColumn(".status.conditions[?(@.type==\"Failed\")].reason", "Failure", "string", Priority = 1)]
[GenericAdditionalPrinterColumn(".metadata.creationTimestamp", "Age", "date")]
public sealed class FinetuneJob : CustomKubernetesEntity<FinetuneJobSpec, FinetuneJobStatus>
{
    public FinetuneJob() => (ApiVersion, Kind) = (Group.ApiVersion, "FinetuneJob");
}

[JsonConverter(typeof(JsonStringEnumConverter<FinetuneMethod>))]
public enum FinetuneMethod
{
    /// <summary>Low-rank additions, plain, rank-stabilized or weight-decomposed.</summary>
    LoRA,

    /// <summary>(IA)³: scales keys, values and the input of the down projection.</summary>
    IA3,
}

[JsonConverter(typeof(JsonStringEnumConverter<FinetuneObjective>))]
public enum FinetuneObjective
{
    /// <summary>Cross entropy of the next token.</summary>
    SupervisedFinetuning,

    /// <summary>Direct preference optimization; the base model is the reference.</summary>
    DPO,
}

[JsonConverter(typeof(JsonStringEnumConverter<LearningRateSchedule>))]
public enum LearningRateSchedule
{
    Constant,
    Linear,
    Cosine,
}

[JsonConverter(typeof(JsonStringEnumConverter<AdapterPrecision>))]
public enum AdapterPrecision
{
    Float32,
    BFloat16,
}

[JsonConverter(typeof(JsonStringEnumConverter<DatasetFormat>))]
public enum DatasetFormat
{
    /// <summary>JSON lines with a <c>text</c> field.</summary>
    Text,

    /// <summary>JSON lines with <c>prompt</c> and <c>completion</c>; the loss is on the completion only.</summary>
    PromptCompletion,

    /// <summary>JSON lines with OpenAI <c>messages</c>; the loss is on the assistant's messages only, but for those whose <c>weight</c> is 0.</summary>
    Chat,

    /// <summary>A text as it is, such as a book.</summary>
    PlainText,

    /// <summary>JSON lines with <c>prompt</c>, <c>chosen</c> and <c>rejected</c>, or OpenAI's <c>input</c>, <c>preferred_output</c> and <c>non_preferred_output</c>.</summary>
    Preference,
}

/// <summary>What is trained, on what, and how.</summary>
/// <remarks>A rule on an optional block is not asked when the block comes or goes; the rules here are.</remarks>
[ValidationRule("has(self.lora) == has(oldSelf.lora)", "lora is immutable")]
[ValidationRule("has(self.hyperparameters) == has(oldSelf.hyperparameters)", "hyperparameters is immutable")]
[ValidationRule("has(self.dpo) == has(oldSelf.dpo)", "dpo is immutable")]
[ValidationRule("has(self.earlyStopping) == has(oldSelf.earlyStopping)", "earlyStopping is immutable")]
[ValidationRule(
    "(has(self.checkpoint) && has(self.checkpoint.uri) ? self.checkpoint.uri : '') == (has(oldSelf.checkpoint) && has(oldSelf.checkpoint.uri) ? oldSelf.checkpoint.uri : '')",
    "checkpoint.uri is immutable")]
[ValidationRule("self.method == 'LoRA' || !has(self.lora)", "lora belongs to method LoRA")]
[ValidationRule("self.objective == 'DPO' || !has(self.dpo)", "dpo belongs to objective DPO")]
[ValidationRule("(self.objective == 'DPO') == (self.dataset.format == 'Preference')", "objective DPO and dataset.format Preference belong together")]
public sealed class FinetuneJobSpec : JobSpec
{
    [Required]
    [ValidationRule("self == oldSelf", "modelRef is immutable")]
    public LocalReference ModelRef { get; set; } = new();

    [Default(nameof(FinetuneMethod.LoRA))]
    [ValidationRule("self == oldSelf", "method is immutable")]
    public FinetuneMethod? Method { get; set; }

    [Default(nameof(FinetuneObjective.SupervisedFinetuning))]
    [ValidationRule("self == oldSelf", "objective is immutable")]
    public FinetuneObjective? Objective { get; set; }

    [ValidationRule("self == oldSelf", "lora is immutable")]
    public LoraHyperparameters? Lora { get; set; }

    [ValidationRule("self == oldSelf", "dpo is immutable")]
    public DpoSpec? Dpo { get; set; }

    [Description("Ends the job when evalLoss no longer falls, and keeps the best adapter. Evaluations come with checkpoints.")]
    [ValidationRule("self == oldSelf", "earlyStopping is immutable")]
    public EarlyStoppingSpec? EarlyStopping { get; set; }

    [Required]
    [ValidationRule("self == oldSelf", "dataset is immutable")]
    public DatasetSpec Dataset { get; set; } = new();

    [ValidationRule("self == oldSelf", "hyperparameters is immutable")]
    public Hyperparameters? Hyperparameters { get; set; }

    [Required]
    [ValidationRule("self == oldSelf", "output is immutable")]
    public OutputSpec Output { get; set; } = new();
}

public sealed class LoraHyperparameters
{
    [Default(16)]
    [RangeMinimum(1)]
    [RangeMaximum(1024)]
    public int? Rank { get; set; }

    [Description("The adapter's product is scaled by alpha / rank.")]
    [Default(32)]
    [RangeMinimum(1)]
    [RangeMaximum(4096)]
    public int? Alpha { get; set; }

    [Description("Linear layers that get an adapter: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj. Default: all.")]
    [Items(1, 7)]
    public IList<string>? TargetModules { get; set; }

    [Description("Part of the adapter's inputs that is dropped in training, at least 0 and less than 1.")]
    [Default("0")]
    [Pattern("^(0|0?\\.[0-9]+)$")]
    public string? Dropout { get; set; }

    [Description("Rank-stabilized: the product is scaled by alpha / √rank.")]
    [Default(false)]
    public bool? UseRslora { get; set; }

    [Description("Weight-decomposed: magnitudes of the weights' rows are trained as well.")]
    [Default(false)]
    public bool? UseDora { get; set; }
}

/// <summary>Direct preference optimization.</summary>
public sealed class DpoSpec
{
    [Description("How closely the adapter is held to the base model.")]
    [Default("0.1")]
    [Pattern("^[0-9]*\\.?[0-9]+([eE]-?[0-9]+)?$")]
    public string? Beta { get; set; }
}

/// <summary>When a job ends before its last step.</summary>
public sealed class EarlyStoppingSpec
{
    [Required]
    [Description("Evaluations in a row without a better evalLoss after which the job ends.")]
    [RangeMinimum(1)]
    [RangeMaximum(1000)]
    public int? Patience { get; set; }

    [Description("By how much evalLoss must be lower to count as better, nats per token.")]
    [Default("0")]
    [Pattern("^[0-9]*\\.?[0-9]+([eE]-?[0-9]+)?$")]
    public string? MinDelta { get; set; }
}

[ValidationRule("!has(self.evalUri) || !has(self.evalFraction)", "give evalUri or evalFraction, not both")]
public sealed class DatasetSpec
{
    [Required]
    [Description("JSONL file, or a text for format PlainText: file://, pvc://, hf://, s3://, oci:// or http(s)://.")]
    [Length(1, 2048)]
    [Pattern("^(file|pvc|hf|s3|oci|https?)://.+")]
    public string Uri { get; set; } = string.Empty;

    [Default(nameof(DatasetFormat.Text))]
    public DatasetFormat? Format { get; set; }

    [Description("File of the same format on which evalLoss is measured. Default: evalFraction of the data set is held out.")]
    [Length(1, 2048)]
    public string? EvalUri { get; set; }

    [Description("Part of the data set that is drawn by the seed and held out, at least 0 and less than 1. Default: 0.1.")]
    [Pattern("^(0|0?\\.[0-9]+)$")]
    public string? EvalFraction { get; set; }
}

/// <summary>Training settings. Fractions are decimal strings, for the API has no floats.</summary>
public sealed class Hyperparameters
{
    [Default("0.0005")]
    [Pattern("^[0-9]*\\.?[0-9]+([eE]-?[0-9]+)?$")]
    public string? LearningRate { get; set; }

    [Default(1)]
    [RangeMinimum(1)]
    [RangeMaximum(1000)]
    public int? Epochs { get; set; }

    [Description("Stops after this many optimizer steps, even within an epoch.")]
    [RangeMinimum(1)]
    public int? MaxSteps { get; set; }

    [Description("Sequences per optimizer step.")]
    [Default(4)]
    [RangeMinimum(1)]
    [RangeMaximum(4096)]
    public int? BatchSize { get; set; }

    [Description("Tokens per training sequence; longer samples are cut.")]
    [Default(256)]
    [RangeMinimum(8)]
    [RangeMaximum(131072)]
    public int? SequenceLength { get; set; }

    [Description("Batches whose gradients are added up to one optimizer step.")]
    [Default(1)]
    [RangeMinimum(1)]
    [RangeMaximum(4096)]
    public int? GradientAccumulationSteps { get; set; }

    [Description("How the learning rate goes on after warm-up: it stays, or falls to 0 in a line or along half a cosine.")]
    [Default(nameof(FinetuneJobs.LearningRateSchedule.Constant))]
    public LearningRateSchedule? LearningRateSchedule { get; set; }

    [Default(0)]
    [RangeMinimum(0)]
    public int? WarmupSteps { get; set; }

    [Default("0")]
    [Pattern("^[0-9]*\\.?[0-9]+([eE]-?[0-9]+)?$")]
    public string? WeightDecay { get; set; }

    [Description("Gradients are scaled down to this global norm.")]
    [Default("1.0")]
    [Pattern("^[0-9]*\\.?[0-9]+([eE]-?[0-9]+)?$")]
    public string? MaxGradientNorm { get; set; }

    [Default(0)]
    [RangeMinimum(0)]
    public long? Seed { get; set; }
}

public sealed class OutputSpec
{
    [Required]
    [Description("Name of the Adapter made on completion; served as model:adapterName.")]
    [Length(1, 63)]
    [Pattern("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    public string AdapterName { get; set; } = string.Empty;

    [Description("Folder that receives the adapter's PEFT folder, adapter-<uid of the job>, and is else left as it is: file:// or pvc://. Default: the model's shared data volume.")]
    [Length(1, 2048)]
    public string? Uri { get; set; }

    [Description("Element type of the adapter's file.")]
    [Default(nameof(AdapterPrecision.Float32))]
    public AdapterPrecision? Precision { get; set; }
}
