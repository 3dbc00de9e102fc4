using System.Text.Json.Serialization;
using AiFabric.Crds.Abstractions;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using k8s.Models;

namespace AiFabric.Crds.CoServedModels;

/// <summary>One base model served by replicas whose forward pass carries inference and finetuning tokens together.</summary>
[KubernetesEntity(Group = Group.Name, ApiVersion = Group.Version, Kind = "CoServedModel", PluralName = "coservedmodels")]
[KubernetesEntityShortNames("csm")]
[ScaleSubresource(".spec.replicas", ".status.replicas", ".status.selector")]
[GenericAdditionalPrinterColumn(".status.conditions[?(@.type==\"Ready\")].status", "Ready", "string")]
[GenericAdditionalPrinterColumn(".status.readyReplicas", "Replicas", "integer")]
[GenericAdditionalPrinterColumn(".status.conditions[?(@.type==\"FinetuningActive\")].status", "Finetuning", "string")]
[GenericAdditionalPrinterColumn(".status.conditions[?(@.type==\"Ready\")].reason", "Reason", "string", Priority = 1)]
[GenericAdditionalPrinterColumn(".status.url", "URL", "string", Priority = 1)]
[GenericAdditionalPrinterColumn(".metadata.creationTimestamp", "Age", "date")]
public sealed class CoServedModel : CustomKubernetesEntity<CoServedModelSpec, CoServedModelStatus>
{
    public CoServedModel() => (ApiVersion, Kind) = (Group.ApiVersion, "CoServedModel");
}

/// <summary>What is served, how often, and under which objective.</summary>
[ValidationRule("!(has(self.replicas) && has(self.scaling))", "set replicas or scaling, not both")]
public sealed class CoServedModelSpec
{
    [Required]
    public ModelSource Model { get; set; } = new();

    [Description("Fixed number of replicas. Excludes scaling; 1 when both are absent.")]
    [RangeMinimum(0)]
    [RangeMaximum(1000)]
    public int? Replicas { get; set; }

    [Description("Replicas follow the demand. Excludes replicas.")]
    public ScalingSpec? Scaling { get; set; }

    public SloSpec? Slo { get; set; }

    public CoServingSpec? CoServing { get; set; }

    public LoraSpec? Lora { get; set; }

    [Description("How the gateways choose among the model's ready replicas, and which part of its requests another model answers or gets copies of. Changing it restarts nothing.")]
    public RoutingSpec? Routing { get; set; }

    [Description("Guesses tokens ahead of each request and checks several in one pass: fewer passes where answers repeat what came before, and the same answers. Off when absent. Changing it rolls the replicas.")]
    public SpeculativeSpec? Speculative { get; set; }

    [Description("Compute resources of one replica's worker container.")]
    public V1ResourceRequirements? Resources { get; set; }

    [Description("Pod template merged over the operator's own: node selection, tolerations, volumes, environment.")]
    [PreserveUnknownFields]
    public V1PodTemplateSpec? Template { get; set; }
}

[JsonConverter(typeof(JsonStringEnumConverter<Quantization>))]
public enum Quantization
{
    /// <summary>The matrices as float32.</summary>
    None,

    /// <summary>The matrices in 8 bits, quantized while loading.</summary>
    Q8,
}

/// <summary>Where the base weights come from and under which name clients ask for them.</summary>
public sealed class ModelSource
{
    [Required]
    [Description("Hugging Face folder with config.json, model.safetensors and tokenizer.json: file:///path, pvc://claim/path, hf://org/name[@revision], s3://bucket/prefix, oci://registry/repository[:tag|@digest] or http(s):// (an archive, or a folder with SHA256SUMS).")]
    [Length(1, 2048)]
    [Pattern("^(file|pvc|hf|s3|oci|https?)://.+")]
    public string Uri { get; set; } = string.Empty;

    [Description("Revision of the weights: branch, tag or commit of hf://, tag or digest of oci://, checksum sha256:... of http(s)://. Changing it rolls the replicas.")]
    [Length(1, 128)]
    public string? Revision { get; set; }

    [Description("Secret in the model's namespace with what the store asks for: HF_TOKEN, AWS_ACCESS_KEY_ID, OCI_USERNAME and others become the worker's environment.")]
    public LocalReference? CredentialsSecretRef { get; set; }

    [Description("How the weights lie in memory: None as float32; Q8 in 8 bits with a scale for every 32, quantized while loading, on CPUs. Adapters are trained and served on either. Changing it rolls the replicas.")]
    [Default(nameof(CoServedModels.Quantization.None))]
    public Quantization? Quantization { get; set; }

    [Description("Name in OpenAI's model field. Default: the resource's name.")]
    [Length(1, 253)]
    [Pattern("^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
    public string? Name { get; set; }
}

/// <summary>Replicas by demand.</summary>
[ValidationRule("self.minReplicas <= self.maxReplicas", "minReplicas must not exceed maxReplicas")]
public sealed class ScalingSpec
{
    [Description("Replicas while nobody asks. With 0 the gateways hold the first request and wake the model.")]
    [Default(1)]
    [RangeMinimum(0)]
    [RangeMaximum(1000)]
    public int? MinReplicas { get; set; }

    [Required]
    [RangeMinimum(1)]
    [RangeMaximum(1000)]
    public int? MaxReplicas { get; set; }

    [Description("Unfinished requests per replica that the scaler aims at.")]
    [Default(32)]
    [RangeMinimum(1)]
    [RangeMaximum(10000)]
    public int? TargetRequests { get; set; }

    [Description("Replicas are taken away only when the demand asked for fewer during all of this time.")]
    [Default(300)]
    [RangeMinimum(0)]
    [RangeMaximum(86400)]
    public int? ScaleDownDelaySeconds { get; set; }
}

/// <summary>Latency objective. It bounds how much finetuning an iteration carries.</summary>
public sealed class SloSpec
{
    [Description("Time to first token, from arrival, in milliseconds.")]
    [Default(5000)]
    [RangeMinimum(1)]
    [RangeMaximum(600000)]
    public int? TtftMilliseconds { get; set; }

    [Description("Time per output token after the first, in milliseconds.")]
    [Default(100)]
    [RangeMinimum(1)]
    [RangeMaximum(60000)]
    public int? TpotMilliseconds { get; set; }
}

[JsonConverter(typeof(JsonStringEnumConverter<CoServingPolicy>))]
public enum CoServingPolicy
{
    /// <summary>Finetuning takes only what the objective leaves.</summary>
    InferenceFirst,

    /// <summary>Finetuning keeps a floor of the tokens of each iteration.</summary>
    WeightedFair,
}

/// <summary>How inference and finetuning share an iteration.</summary>
public sealed class CoServingSpec
{
    [Default(nameof(CoServingPolicy.InferenceFirst))]
    public CoServingPolicy? Policy { get; set; }

    [Description("Most finetuning tokens in one iteration. 0 forbids finetuning on this model.")]
    [Default(256)]
    [RangeMinimum(0)]
    [RangeMaximum(65536)]
    public int? MaxFinetuneTokensPerIteration { get; set; }

    [Description("Mebibytes that the activations of all finetuning jobs on a replica may take, beside the key-value cache. A job that needs more is refused with the number. Default: no bound.")]
    [RangeMinimum(1)]
    [RangeMaximum(16777216)]
    public int? FinetuneMemoryMebibytes { get; set; }
}

/// <summary>Bounds on adapters served beside the base model.</summary>
public sealed class LoraSpec
{
    [Default(8)]
    [RangeMinimum(0)]
    [RangeMaximum(1024)]
    public int? MaxAdapters { get; set; }

    [Default(64)]
    [RangeMinimum(1)]
    [RangeMaximum(1024)]
    public int? MaxRank { get; set; }
}

[JsonConverter(typeof(JsonStringEnumConverter<SpeculativeMethod>))]
public enum SpeculativeMethod
{
    /// <summary>What followed the newest tokens when they occurred before.</summary>
    PromptLookup,
}

/// <summary>Speculative decoding.</summary>
[ValidationRule("self.promptLookupMin <= self.promptLookupMax", "promptLookupMin must not exceed promptLookupMax")]
public sealed class SpeculativeSpec
{
    [Required]
    [Description("PromptLookup: guess what followed the newest tokens when they occurred before, in the prompt or the answer.")]
    public SpeculativeMethod? Method { get; set; }

    [Description("Tokens guessed ahead of a request at most; a busy worker guesses fewer or none.")]
    [Default(4)]
    [RangeMinimum(1)]
    [RangeMaximum(32)]
    public int? Tokens { get; set; }

    [Description("Newest tokens that must have occurred before, at least.")]
    [Default(2)]
    [RangeMinimum(1)]
    [RangeMaximum(16)]
    public int? PromptLookupMin { get; set; }

    [Description("Newest tokens that are compared, at most: the longest agreement is followed.")]
    [Default(4)]
    [RangeMinimum(1)]
    [RangeMaximum(16)]
    public int? PromptLookupMax { get; set; }
}

/// <summary>What was observed of the model's replicas.</summary>
public sealed class CoServedModelStatus
{
    public long? ObservedGeneration { get; set; }

    [Description("Pods that exist.")]
    public int? Replicas { get; set; }

    [Description("Pods of the current revision that are ready and that every gateway replica routes to.")]
    public int? UpdatedReplicas { get; set; }

    [Description("Pods of any revision that are ready and that every gateway replica routes to.")]
    public int? ReadyReplicas { get; set; }

    [Description("Label selector of the pods, for the scale subresource.")]
    public string? Selector { get; set; }

    [Description("Revision the updated pods run.")]
    public string? Revision { get; set; }

    [Description("OpenAI base URL inside the cluster.")]
    public string? Url { get; set; }

    [ListMapKeys("type")]
    public IList<V1Condition>? Conditions { get; set; }
}

/// <summary>Condition types of a CoServedModel.</summary>
public static class CoServedModelConditions
{
    public const string Ready = "Ready";
    public const string ModelLoaded = "ModelLoaded";
    public const string WorkloadsReady = "WorkloadsReady";
    public const string RouterReady = "RouterReady";
    public const string FinetuningActive = "FinetuningActive";
    public const string SloMet = "SloMet";

    /// <summary>The demand decides the replicas. Only with <c>scaling</c>.</summary>
    public const string ScalingActive = "ScalingActive";

    /// <summary>Every gateway sends the canary its part of the requests. Only with <c>routing.canary</c>.</summary>
    public const string CanaryActive = "CanaryActive";

    /// <summary>Every gateway sends the mirror its part of copies. Only with <c>routing.mirror</c>.</summary>
    public const string MirrorActive = "MirrorActive";
}
