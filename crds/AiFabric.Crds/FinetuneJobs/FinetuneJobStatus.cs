using AiFabric.Crds.Abstractions;
using AiFabric.Crds.Common;

namespace AiFabric.Crds.FinetuneJobs;

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
