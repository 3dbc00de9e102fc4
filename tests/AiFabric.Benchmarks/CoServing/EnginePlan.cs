namespace AiFabric.Benchmarks.CoServing;

/// <summary>What one engine in a process of its own does.</summary>
internal sealed record EnginePlan
{
    public required string Repository { get; init; }

    public required string Model { get; init; }

    public required string Format { get; init; }

    public required string Device { get; init; }

    public required int Threads { get; init; }

    /// <summary>Null before it is known: the engine then looks for it, and for the capacity.</summary>
    public double? TpotMilliseconds { get; init; }

    public required double TtftMilliseconds { get; init; }

    /// <summary>The TPOT objective is so many times what a request gets alone.</summary>
    public required double TpotMultiple { get; init; }

    public bool Infers { get; init; }

    public bool Finetunes { get; init; }

    public int? TemporalIterations { get; init; }

    public bool IsDynamic { get; init; }

    /// <summary>Requests per second with which the search for the capacity begins.</summary>
    public double FirstRate { get; init; }

    /// <summary>Requests per second at full load.</summary>
    public double Rate { get; init; }

    public double Load { get; init; }

    /// <summary>Whether the load jumps to 1 for the middle third.</summary>
    public bool Burst { get; init; }

    public required double Seconds { get; init; }

    public required int Seed { get; init; }

    /// <summary>The load at a time.</summary>
    public double LoadAt(TimeSpan at)
    {
        double third = Seconds / 3, seconds = at.TotalSeconds;
        return !Burst || seconds < third || seconds > 2 * third ? Load : Load + ((1 - Load) * Math.Min(1, seconds - third));
    }
}

/// <summary>What a request got.</summary>
/// <param name="At">Seconds from the start to its arrival.</param>
/// <param name="TtftMs">To its first token.</param>
/// <param name="TpotMs">Mean of the tokens after the first; null for an answer of one token.</param>
/// <param name="EndAt">Seconds from the start to its last token.</param>
internal sealed record RequestFigures(double At, double TtftMs, double? TpotMs, double EndAt);

/// <summary>The engine at a moment.</summary>
/// <param name="At">Seconds since the start.</param>
/// <param name="Running">Requests that run.</param>
internal sealed record Sample(double At, int Running);

/// <summary>What an engine did.</summary>
internal sealed record EngineFigures
{
    public IReadOnlyList<RequestFigures> Requests { get; init; } = [];

    public IReadOnlyList<Sample> Samples { get; init; } = [];

    public IReadOnlyList<IterationFigures> Iterations { get; init; } = [];

    /// <summary>Tokens trained per second: a forward token is a third of one, a backward token two thirds.</summary>
    public double FinetuneTokensPerSecond { get; init; }

    /// <summary>Share of iterations with a window of finetuning in an inference pass.</summary>
    public double SharedIterations { get; init; }
}

/// <summary>What inference alone can do.</summary>
/// <param name="UnloadedTpotMs">Of a request that has the engine for itself, the median.</param>
/// <param name="UnloadedTtftMs">As well.</param>
/// <param name="TpotObjectiveMs">The objective that follows.</param>
/// <param name="RequestsPerSecond">The most with nine of ten requests within the objectives.</param>
internal sealed record Capacity(double UnloadedTpotMs, double UnloadedTtftMs, double TpotObjectiveMs, double RequestsPerSecond);
