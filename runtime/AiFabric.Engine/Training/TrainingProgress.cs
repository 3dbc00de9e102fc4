namespace AiFabric.Engine.Training;

/// <summary>Where a session stands.</summary>
public enum TrainingState
{
    /// <summary>Data or checkpoint are being read.</summary>
    Starting,
    Running,
    Suspended,

    /// <summary>The adapter is written.</summary>
    Succeeded,

    /// <summary><see cref="TrainingProgress.Error"/> says why.</summary>
    Failed,
    Cancelled,
}

/// <summary>A snapshot of a session. Losses are means in nats per token.</summary>
public sealed record TrainingProgress
{
    public TrainingState State { get; init; }

    /// <summary>Optimizer steps done.</summary>
    public int Step { get; init; }

    /// <summary>Optimizer steps of the whole job; 0 until the data are read.</summary>
    public int TotalSteps { get; init; }

    /// <summary>Training tokens that went forward and backward, over all runs of the job.</summary>
    public long Tokens { get; init; }

    /// <summary>Training loss of the last step.</summary>
    public double? Loss { get; init; }

    /// <summary>Loss on held-out data with the adapter as of the newest evaluation.</summary>
    public double? EvalLoss { get; init; }

    /// <summary>Loss of the base model on the same data.</summary>
    public double? BaseEvalLoss { get; init; }

    /// <summary>Training tokens per second over the last seconds; 0 when nothing ran in them.</summary>
    public double TokensPerSecond { get; init; }

    /// <summary>Time to the end at that rate; null while it is unknown.</summary>
    public TimeSpan? EstimatedRemaining { get; init; }

    /// <summary>Step of the newest checkpoint on disk.</summary>
    public int CheckpointStep { get; init; }

    /// <summary>PEFT folder, once the state is Succeeded.</summary>
    public string? AdapterFolder { get; init; }

    /// <summary>Digest of that folder, as <see cref="Adapters.PeftFolder"/> defines it.</summary>
    public string? AdapterDigest { get; init; }

    public TrainingError? Error { get; init; }
}
