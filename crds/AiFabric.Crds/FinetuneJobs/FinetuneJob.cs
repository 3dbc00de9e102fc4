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
    LoRA,
}

[JsonConverter(typeof(JsonStringEnumConverter<DatasetFormat>))]
public enum DatasetFormat
{
    /// <summary>JSON lines with a <c>text</c> field.</summary>
    Text,

    /// <summary>JSON lines with <c>prompt</c> and <c>completion</c>; the loss is on the completion only.</summary>
    PromptCompletion,

    /// <summary>JSON lines with OpenAI <c>messages</c>; the loss is on the assistant's messages only.</summary>
    Chat,
}

/// <summary>What is trained, on what, and how.</summary>
/// <remarks>A rule on an optional block is not asked when the block comes or goes; the rules here are.</remarks>
[ValidationRule("has(self.lora) == has(oldSelf.lora)", "lora is immutable")]
[ValidationRule("has(self.hyperparameters) == has(oldSelf.hyperparameters)", "hyperparameters is immutable")]
public sealed class FinetuneJobSpec : JobSpec
{
    [Required]
    [ValidationRule("self == oldSelf", "modelRef is immutable")]
    public LocalReference ModelRef { get; set; } = new();

    [Default(nameof(FinetuneMethod.LoRA))]
    public FinetuneMethod? Method { get; set; }

    [ValidationRule("self == oldSelf", "lora is immutable")]
    public LoraHyperparameters? Lora { get; set; }

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
}

public sealed class DatasetSpec
{
    [Required]
    [Description("JSONL file: file://, pvc://, hf://, s3://, oci:// or http(s)://.")]
    [Length(1, 2048)]
    [Pattern("^(file|pvc|hf|s3|oci|https?)://.+")]
    public string Uri { get; set; } = string.Empty;

    [Default(nameof(DatasetFormat.Text))]
    public DatasetFormat? Format { get; set; }

    [Description("JSONL file of the same format on which evalLoss is measured. Default: the last tenth of the data set is held out.")]
    [Length(1, 2048)]
    public string? EvalUri { get; set; }
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

    [Description("Folder that receives the PEFT folder: file:// or pvc://. Default: the model's shared data volume.")]
    [Length(1, 2048)]
    public string? Uri { get; set; }
}

public sealed class FinetuneJobStatus : JobStatus
{
    public FinetuneProgress? Progress { get; set; }

    [Description("Pod on which the job runs.")]
    public string? Pod { get; set; }

    [Description("Name of the Adapter made.")]
    public string? AdapterName { get; set; }

    [Description("sha256:… of the adapter's files.")]
    public string? AdapterDigest { get; set; }
}

/// <summary>Progress as the worker reports it. Fractions are decimal strings.</summary>
public sealed class FinetuneProgress
{
    public int? Step { get; set; }

    public int? TotalSteps { get; set; }

    [Description("Training tokens seen.")]
    public long? Tokens { get; set; }

    [Description("Mean training loss of the last step, nats per token.")]
    public string? Loss { get; set; }

    [Description("Loss on held-out data, nats per token.")]
    public string? EvalLoss { get; set; }

    [Description("Loss of the base model on the same held-out data, nats per token.")]
    public string? BaseEvalLoss { get; set; }

    public string? TokensPerSecond { get; set; }

    public long? EstimatedRemainingSeconds { get; set; }
}

/// <summary>Condition types of a FinetuneJob.</summary>
public static class FinetuneJobConditions
{
    public const string Accepted = "Accepted";
    public const string Running = "Running";
    public const string Suspended = "Suspended";
    public const string Complete = "Complete";
    public const string Failed = "Failed";
}
