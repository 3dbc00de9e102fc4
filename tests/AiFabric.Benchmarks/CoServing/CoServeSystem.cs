namespace AiFabric.Benchmarks.CoServing;

/// <summary>How inference and finetuning share the machine.</summary>
/// <param name="Name">In tables.</param>
internal sealed record CoServeSystem(string Name)
{
    public const string CoServing = "coserving";

    public const string FinetuneOnly = "finetuneOnly";

    public const string InferenceOnly = "inferenceOnly";

    /// <summary>Both in one engine.</summary>
    public bool IsShared { get; init; }

    public bool Infers { get; init; } = true;

    public bool Finetunes { get; init; } = true;

    /// <summary>Percent of the CPU that finetuning's own process may use; the other process may use the rest. Null without quotas.</summary>
    public int? FinetunePercent { get; init; }

    /// <summary>Iterations of inference between two turns of finetuning; null for none.</summary>
    public int? TemporalIterations { get; init; }

    public bool IsDynamic { get; init; }

    public static IReadOnlyList<CoServeSystem> All { get; } =
    [
        new(CoServing) { IsShared = true },
        new("split25") { FinetunePercent = 25 },
        new("split50") { FinetunePercent = 50 },
        new("split75") { FinetunePercent = 75 },
        new("temporal64") { IsShared = true, TemporalIterations = 64 },
        new("temporal128") { IsShared = true, TemporalIterations = 128 },
        new("temporal512") { IsShared = true, TemporalIterations = 512 },
        new("temporalDynamic") { IsShared = true, TemporalIterations = 1, IsDynamic = true },
        new("spatial"),
        new(InferenceOnly) { Finetunes = false },
        new(FinetuneOnly) { Infers = false },
    ];
}

/// <summary>How many requests come.</summary>
/// <param name="Name">In tables.</param>
/// <param name="Share">Of the rate that inference alone sustains.</param>
internal sealed record CoServeLoad(string Name, double Share)
{
    public static IReadOnlyList<CoServeLoad> All { get; } = [new("light", 0.2), new("medium", 0.5), new("heavy", 0.9)];
}
