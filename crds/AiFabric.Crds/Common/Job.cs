using AiFabric.Crds.Abstractions;

namespace AiFabric.Crds.Common;

/// <summary>The spec part that every job kind shares.</summary>
public abstract class JobSpec
{
    [Description("Stops the job at its next step, keeping its progress. Set to false to go on.")]
    [Default(false)]
    public bool? Suspend { get; set; }

    [Description("How many failures are tried again before the job fails.")]
    [Default(6)]
    [RangeMinimum(0)]
    [RangeMaximum(100)]
    public int? BackoffLimit { get; set; }

    [Description("The job fails when it has been active for this many seconds.")]
    [RangeMinimum(1)]
    public long? ActiveDeadlineSeconds { get; set; }

    [Description("The job is deleted this many seconds after it ended. Its Adapter stays.")]
    [RangeMinimum(0)]
    public int? TtlSecondsAfterFinished { get; set; }

    [Description("Where and how often progress is saved.")]
    public CheckpointSpec? Checkpoint { get; set; }
}

/// <summary>Where and how often a job saves its progress.</summary>
public sealed class CheckpointSpec
{
    [Description("Folder for checkpoints (file:// or pvc://). Default: beside the output.")]
    [Length(1, 2048)]
    public string? Uri { get; set; }

    [Description("Optimizer steps between two checkpoints: at most this many steps are lost on a kill.")]
    [Default(10)]
    [RangeMinimum(1)]
    [RangeMaximum(100000)]
    public int? IntervalSteps { get; set; }

    [Description("How many checkpoints are kept.")]
    [Default(2)]
    [RangeMinimum(1)]
    [RangeMaximum(100)]
    public int? Retain { get; set; }
}

/// <summary>The status part that every job kind shares.</summary>
public abstract class JobStatus
{
    public long? ObservedGeneration { get; set; }

    public DateTime? StartTime { get; set; }

    public DateTime? CompletionTime { get; set; }

    [Description("Failures so far, counted against backoffLimit.")]
    public int? Failures { get; set; }

    [ListMapKeys("type")]
    public IList<k8s.Models.V1Condition>? Conditions { get; set; }
}
