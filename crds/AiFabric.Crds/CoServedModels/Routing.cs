using System.Text.Json.Serialization;
using AiFabric.Crds.Abstractions;

namespace AiFabric.Crds.CoServedModels;

[JsonConverter(typeof(JsonStringEnumConverter<RoutingPolicy>))]
public enum RoutingPolicy
{
    /// <summary>To the replica whose cache holds most of the prompt, unless it has more than its share.</summary>
    PrefixAware,

    /// <summary>Prompts of one beginning to one replica, whatever its cache holds, unless it has more than its share.</summary>
    PrefixHash,

    /// <summary>To the replica with the least to do.</summary>
    LeastLoad,

    /// <summary>To one after the other.</summary>
    RoundRobin,
}

/// <summary>Where gateways send the model's requests.</summary>
[ValidationRule(
    "!has(self.canary) || !has(self.mirror) || self.canary.modelRef.name != self.mirror.modelRef.name"
    + " || has(self.canary.modelRef.adapter) != has(self.mirror.modelRef.adapter)"
    + " || (has(self.canary.modelRef.adapter) && self.canary.modelRef.adapter != self.mirror.modelRef.adapter)",
    "canary and mirror must not be the same")]
public sealed class RoutingSpec
{
    [Description("PrefixAware: the replica whose cache holds most of the prompt, by its own report. PrefixHash: prompts of one beginning to one replica. Both pass over a replica that has more than its share of requests. LeastLoad: the one with the least to do. RoundRobin: in turn.")]
    [Default(nameof(RoutingPolicy.PrefixAware))]
    public RoutingPolicy? Policy { get; set; }

    [Description("Answers a part of the requests in this model's place. While it has no ready replica, this model answers them. Requests that name an adapter are not touched.")]
    public TrafficSpec? Canary { get; set; }

    [Description("Gets copies of a part of the requests. Its answers are dropped; clients neither wait for them nor see their failures. Requests that name an adapter are not copied.")]
    public TrafficSpec? Mirror { get; set; }
}

/// <summary>A part of a model's requests.</summary>
public sealed class TrafficSpec
{
    [Required]
    [Description("Whom they go to: another CoServedModel of the namespace, or an adapter of one, which may be this one.")]
    public TrafficTarget ModelRef { get; set; } = new();

    [Required]
    [Description("Requests of a hundred. 0 sends none.")]
    [RangeMinimum(0)]
    [RangeMaximum(100)]
    public int? Percent { get; set; }
}

/// <summary>A model, or an adapter of one.</summary>
public sealed class TrafficTarget
{
    [Required]
    [Length(1, 253)]
    public string Name { get; set; } = string.Empty;

    [Description("Name of an Adapter of that model.")]
    [Length(1, 253)]
    public string? Adapter { get; set; }

    public override string ToString() => Adapter is null ? Name : $"{Name}:{Adapter}";
}
