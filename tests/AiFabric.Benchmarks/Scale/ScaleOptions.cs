namespace AiFabric.Benchmarks.Scale;

/// <summary>How many resources a run has.</summary>
internal sealed record ScaleSize(int Models, int Jobs);

/// <summary>What all sizes of one benchmark share.</summary>
internal sealed record ScaleOptions
{
    /// <summary>The namespace of all models and jobs.</summary>
    public const string Space = "default";

    /// <summary>Root of the checkout.</summary>
    public required string Repository { get; init; }

    /// <summary>How long the writes of the idle operator are counted.</summary>
    public TimeSpan SteadyTime { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>A run that is not ready after this time is given up.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Port of the API server.</summary>
    public int Port { get; init; } = 17_800;

    /// <summary>Pods live in 127.N.0.0/16.</summary>
    public int Network { get; init; } = 88;

    /// <summary>A pod becomes ready so long after it was started.</summary>
    public TimeSpan LoadTime { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A training session takes so long.</summary>
    public TimeSpan TrainTime { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Requests of the test itself that are under way at the same time.</summary>
    public int Parallelism { get; init; } = 8;
}
