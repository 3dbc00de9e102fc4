using System.Text.Json.Serialization;
using AiFabric.Engine.Training.Planning;

namespace AiFabric.Engine.Training.Checkpoints;

/// <summary>What a checkpoint holds and what it depends on; <c>manifest.json</c> beside the tensors.</summary>
public sealed record CheckpointManifest
{
    /// <summary>Version of this form.</summary>
    public required int Version { get; init; }

    /// <summary>Hash of the recipe whose numbers these are.</summary>
    public required string Recipe { get; init; }

    /// <summary>Optimizer steps done: also the position in the data, whose order follows from the seed.</summary>
    public required int Step { get; init; }

    /// <summary>Training tokens seen.</summary>
    public required long Tokens { get; init; }

    /// <summary>Seed of data order and first values: the job draws no other random numbers.</summary>
    public required long Seed { get; init; }

    /// <summary>Training loss of the last step.</summary>
    public double? Loss { get; init; }

    /// <summary>Held-out loss of the base model.</summary>
    public double? BaseEvalLoss { get; init; }

    /// <summary>The best evaluation before this step's; null without early stopping.</summary>
    public BestEvaluation? Best { get; init; }

    /// <summary><c>sha256:…</c> of the file of tensors.</summary>
    public string Digest { get; init; } = string.Empty;
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(CheckpointManifest))]
internal sealed partial class CheckpointJson : JsonSerializerContext;
