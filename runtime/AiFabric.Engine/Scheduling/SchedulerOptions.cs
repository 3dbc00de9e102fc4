namespace AiFabric.Engine.Scheduling;

/// <summary>The scheduler's bounds; <see cref="EngineOptions"/> explains each.</summary>
public sealed record SchedulerOptions
{
    public required int MaxBatchTokens { get; init; }

    public required int MaxRunning { get; init; }

    /// <summary>Finetuning tokens of an iteration beside inference; 0 keeps finetuning out.</summary>
    public int MaxFinetuneTokens { get; init; }

    /// <summary>Whether a slice of backward can run beside the pass, each on half of the threads.</summary>
    public bool BackwardBeside { get; init; }

    public CoServingPolicy Policy { get; init; }

    public double TrainingShare { get; init; }

    /// <summary>Null without an objective.</summary>
    public double? TpotMilliseconds { get; init; }

    /// <summary>Null without an objective.</summary>
    public double? TtftMilliseconds { get; init; }

    /// <summary>Turns instead of co-serving, for comparisons; null for co-serving.</summary>
    public TemporalSharing? Temporal { get; init; }

    public bool PrefixCaching { get; init; } = true;

    /// <summary>Tokens guessed ahead of a sequence at most; 0 guesses none.</summary>
    public int SpeculativeTokens { get; init; }

    public int PromptLookupMin { get; init; } = 2;

    public int PromptLookupMax { get; init; } = 4;

    /// <summary>Whether a prompt must be computed in one iteration, as where every token sees every other. None is longer than <see cref="MaxBatchTokens"/> then.</summary>
    public bool WholePrompts { get; init; }

    public static SchedulerOptions From(EngineOptions options) => new()
    {
        MaxBatchTokens = options.MaxBatchTokens,
        MaxRunning = options.MaxRunningRequests,
        MaxFinetuneTokens = options.MaxFinetuneTokensPerIteration,
        Policy = options.Policy,
        TrainingShare = options.TrainingShare,
        TpotMilliseconds = options.TpotObjective?.TotalMilliseconds,
        TtftMilliseconds = options.TtftObjective?.TotalMilliseconds,
        Temporal = options.Temporal,
        PrefixCaching = options.PrefixCaching,
        SpeculativeTokens = options.SpeculativeMethod == SpeculativeMethod.None ? 0 : options.SpeculativeTokens,
        PromptLookupMin = options.PromptLookupMin,
        PromptLookupMax = options.PromptLookupMax,
    };
}
