namespace AiFabric.Benchmarks.CoServing;

/// <summary>What <c>bench coserve</c> measures.</summary>
internal sealed record CoServeOptions
{
    public required string Repository { get; init; }

    public required string Model { get; init; }

    /// <summary>Format of the weights.</summary>
    public required string Format { get; init; }

    public required string Device { get; init; }

    public required int Threads { get; init; }

    /// <summary>Of each run.</summary>
    public required double Seconds { get; init; }

    /// <summary>Runs of each system under each load, in turns; a row is their median.</summary>
    public int Rounds { get; init; } = 1;

    public required double TpotMultiple { get; init; }

    public required double TtftMilliseconds { get; init; }

    /// <summary>Requests per second with which the search for the capacity begins.</summary>
    public double FirstRate { get; init; } = 2;

    /// <summary>Requests per second that inference alone sustains and the objective of the TPOT in milliseconds, as found before; null to look for them.</summary>
    public (double Rate, double Tpot)? Known { get; init; }

    public required IReadOnlyList<CoServeLoad> Loads { get; init; }

    public required IReadOnlyList<CoServeSystem> Systems { get; init; }

    /// <summary>Whether the burst is measured.</summary>
    public bool Burst { get; init; }

    /// <summary>Folder that gets every iteration and every request as CSV, two files for each run; null for none.</summary>
    public string? TraceFolder { get; init; }

    public int Seed { get; init; } = 1;

    /// <summary>Threads of a process that may use so many percent of the CPU: its cores, rounded up, as a worker takes them from its limit.</summary>
    public int ThreadsOf(int? percent) => percent is { } share ? (int)Math.Ceiling(Threads * share / 100.0) : Threads;
}
