using AiFabric.Crds.Abstractions;
using AiFabric.Crds.Common;
using k8s.Models;

namespace AiFabric.Crds.Adapters;

/// <summary>A LoRA adapter that every ready replica of a model loads and serves as <c>model:adapter</c>.</summary>
[KubernetesEntity(Group = Group.Name, ApiVersion = Group.Version, Kind = "Adapter", PluralName = "adapters")]
[KubernetesEntityShortNames("adp")]
[GenericAdditionalPrinterColumn(".spec.modelRef.name", "Model", "string")]
[GenericAdditionalPrinterColumn(".status.conditions[?(@.type==\"Ready\")].status", "Ready", "string")]
[GenericAdditionalPrinterColumn(".status.loadedReplicas", "Loaded", "integer")]
[GenericAdditionalPrinterColumn(".status.desiredReplicas", "Desired", "integer")]
[GenericAdditionalPrinterColumn(".status.conditions[?(@.type==\"Ready\")].reason", "Reason", "string", Priority = 1)]
[GenericAdditionalPrinterColumn(".metadata.creationTimestamp", "Age", "date")]
public sealed class Adapter : CustomKubernetesEntity<AdapterSpec, AdapterStatus>
{
    public Adapter() => (ApiVersion, Kind) = (Group.ApiVersion, "Adapter");
}

/// <summary>Names a resource in the same namespace.</summary>
public sealed class LocalReference
{
    [Required]
    [Length(1, 253)]
    public string Name { get; set; } = string.Empty;
}

public sealed class AdapterSpec
{
    [Required]
    [ValidationRule("self == oldSelf", "modelRef is immutable")]
    public LocalReference ModelRef { get; set; } = new();

    [Required]
    public AdapterSource Source { get; set; } = new();

    [Description("sha256:… of the adapter's files; replicas refuse another content.")]
    [Pattern("^sha256:[0-9a-f]{64}$")]
    public string? Digest { get; set; }
}

/// <summary>A PEFT folder, or the job that makes one.</summary>
[ValidationRule("has(self.uri) != has(self.finetuneJobRef)", "set exactly one of uri and finetuneJobRef")]
public sealed class AdapterSource
{
    [Description("PEFT folder with adapter_config.json and adapter_model.safetensors.")]
    [Length(1, 2048)]
    [Pattern("^(file|pvc|hf|s3|oci|https?)://.+")]
    public string? Uri { get; set; }

    public LocalReference? FinetuneJobRef { get; set; }
}

public sealed class AdapterStatus
{
    public long? ObservedGeneration { get; set; }

    [Description("Ready replicas of the model that hold the adapter.")]
    public int? LoadedReplicas { get; set; }

    [Description("Ready replicas of the model.")]
    public int? DesiredReplicas { get; set; }

    [Description("Name in OpenAI's model field, model:adapter.")]
    public string? ServedName { get; set; }

    [ListMapKeys("type")]
    public IList<V1Condition>? Conditions { get; set; }
}

/// <summary>Condition types of an Adapter.</summary>
public static class AdapterConditions
{
    /// <summary>Loaded on every ready replica of the model and routed to.</summary>
    public const string Ready = "Ready";

    public const string Failed = "Failed";
}
