using System.Text.Json;
using System.Text.Json.Serialization;
using AiFabric.Benchmarks.Machine;

namespace AiFabric.Benchmarks.Scale;

/// <summary>Requests of one verb on one resource.</summary>
internal sealed record RequestCount(string Resource, string Verb, int Count);

/// <summary>Latencies of one controller, seconds, from the operator's own histograms; null without observations.</summary>
/// <param name="Controller">The kind it reconciles.</param>
/// <param name="Reconciliations">How many there were.</param>
/// <param name="P50">Half of the reconciliations took at most so long.</param>
/// <param name="P99">All but one in a hundred did.</param>
/// <param name="QueueP50">Half of the keys waited at most so long before.</param>
/// <param name="QueueP99">All but one in a hundred did.</param>
internal sealed record ControllerLatency(string Controller, double Reconciliations, double? P50, double? P99, double? QueueP50, double? QueueP99);

/// <summary>From the first create until all is as wanted. Times in seconds since the first create.</summary>
internal sealed record RolloutFigures
{
    public required double CreatedSeconds { get; init; }

    public required double ModelsReadySeconds { get; init; }

    public required double JobsCompleteSeconds { get; init; }

    public required double AdaptersReadySeconds { get; init; }

    /// <summary>Objects that had their condition and lost it again.</summary>
    public required int Lost { get; init; }

    public required IReadOnlyList<ControllerLatency> Latencies { get; init; }

    /// <summary>The operator's requests to the API server, leases aside.</summary>
    public required IReadOnlyList<RequestCount> Requests { get; init; }

    public required double WorkerRequests { get; init; }

    public required double GatewayRequests { get; init; }

    public required double OperatorCpuSeconds { get; init; }

    public required long OperatorPeakBytes { get; init; }

    public required IReadOnlyDictionary<string, double> ControlPlaneCpuSeconds { get; init; }
}

/// <summary>The idle operator, over a time.</summary>
internal sealed record SteadyFigures
{
    public required double Seconds { get; init; }

    /// <summary>Writes to the API, renewals of the lease aside: must be 0.</summary>
    public required int Writes { get; init; }

    public required int LeaseRenewals { get; init; }

    public required int Reads { get; init; }

    public required double Reconciliations { get; init; }

    public required double WorkerRequests { get; init; }

    public required double OperatorCpuSeconds { get; init; }

    public required long OperatorResidentBytes { get; init; }

    public required IReadOnlyDictionary<string, double> ControlPlaneCpuSeconds { get; init; }
}

/// <summary>Another operator takes over with everything in place.</summary>
/// <param name="ReadySeconds">Until its caches were filled; null where it stood by with filled ones.</param>
/// <param name="LeadsSeconds">Until it led.</param>
/// <param name="CaughtUpSeconds">Until it had looked at every object.</param>
/// <param name="Writes">Writes meanwhile, the lease's aside: must be 0.</param>
/// <param name="CpuSeconds">CPU time of the new one until then.</param>
internal sealed record TakeoverFigures(double? ReadySeconds, double LeadsSeconds, double CaughtUpSeconds, int Writes, double CpuSeconds);

/// <summary>One size.</summary>
internal sealed record SizeFigures(
    ScaleSize Size, RolloutFigures Rollout, SteadyFigures Steady, TakeoverFigures Restart, TakeoverFigures Crash, TakeoverFigures Handover);

/// <summary>How a figure grows from the smallest size to the largest: 1 is linear, 2 square.</summary>
internal sealed record Growth(string Figure, double Exponent);

/// <summary>All sizes, and what was wrong.</summary>
internal sealed record ScaleReport
{
    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public required DateTimeOffset Started { get; init; }

    public required MachineInfo Machine { get; init; }

    public required double TotalSeconds { get; init; }

    public required IReadOnlyList<SizeFigures> Sizes { get; init; }

    /// <summary>Empty for a run of one size.</summary>
    public IReadOnlyList<Growth> Growth => Sizes.Count < 2
        ? []
        :
        [
            Exponent("time to all models ready", size => size.Rollout.ModelsReadySeconds),
            Exponent("time to all jobs complete", size => size.Rollout.JobsCompleteSeconds),
            Exponent("operator's CPU time until ready", size => size.Rollout.OperatorCpuSeconds),
            Exponent("operator's API requests until ready", size => size.Rollout.Requests.Sum(request => request.Count)),
            Exponent("operator's peak memory", size => size.Rollout.OperatorPeakBytes),
            Exponent("idle operator's CPU time", size => size.Steady.OperatorCpuSeconds),
            Exponent("time to catch up after a restart", size => size.Restart.CaughtUpSeconds),
        ];

    /// <summary>What must not be: writes where nothing changed, conditions lost.</summary>
    public IReadOnlyList<string> Problems =>
    [
        .. Sizes.SelectMany(size => new (string What, int Count)[]
        {
            ("writes of the idle operator", size.Steady.Writes),
            ("writes after a restart", size.Restart.Writes),
            ("writes after a crash of the leader", size.Crash.Writes),
            ("writes after a handover", size.Handover.Writes),
            ("conditions reached and lost again", size.Rollout.Lost),
        }.Where(problem => problem.Count != 0).Select(problem => $"{size.Size.Models} models: {problem.Count} {problem.What}, wanted 0")),
    ];

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    private Growth Exponent(string figure, Func<SizeFigures, double> value)
    {
        SizeFigures small = Sizes.MinBy(size => size.Size.Models)!; // At least two, as the caller checked.
        SizeFigures large = Sizes.MaxBy(size => size.Size.Models)!;
        double ratio = Math.Log(value(large) / value(small));
        return new Growth(figure, Math.Round(ratio / Math.Log((double)large.Size.Models / small.Size.Models), 2));
    }
}
