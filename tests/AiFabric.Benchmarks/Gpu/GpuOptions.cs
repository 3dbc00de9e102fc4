using AiFabric.Benchmarks.Speed;

namespace AiFabric.Benchmarks.Gpu;

/// <summary>What is measured on a device.</summary>
internal sealed record GpuOptions
{
    public required string Repository { get; init; }

    /// <summary><c>cuda</c>, or <c>cpu</c> in a dry run.</summary>
    public required string Device { get; init; }

    /// <summary>Whether this only shows that everything runs: tiny shapes on the CPU, figures without meaning.</summary>
    public required bool IsDryRun { get; init; }

    /// <summary>Measurements of each cell; medians are reported.</summary>
    public required int Rounds { get; init; }

    public required IReadOnlyList<GpuShape> Shapes { get; init; }

    /// <summary>Python with torch and transformers, for the side beside ours.</summary>
    public string Python { get; init; } = "python3";

    public IReadOnlyList<int> Prompts { get; init; } = [512, 2048];

    public IReadOnlyList<int> Batches { get; init; } = [1, 8, 32, 64];

    /// <summary>Tokens that a sequence holds before its decoding is timed.</summary>
    public int ContextTokens { get; init; } = 512;

    public int DecodeSteps { get; init; } = 64;

    /// <summary>Memory that the roofline reads.</summary>
    public long ReadBytes { get; init; } = 4L << 30;

    /// <summary>Rows and columns of the roofline's matrices.</summary>
    public int MatrixSide { get; init; } = 8192;

    public static GpuOptions DryRun(string repository) => new()
    {
        Repository = repository,
        Device = "cpu",
        IsDryRun = true,
        Rounds = 1,
        Shapes = [GpuShape.Small],
        Prompts = [48],
        Batches = [1, 3],
        ContextTokens = 16,
        DecodeSteps = 200, // Long enough for sequences that start one after the other to run together.
        ReadBytes = 16L << 20,
        MatrixSide = 128,
    };

    /// <summary>The same for the side of the comparison that is ours.</summary>
    public SpeedOptions Speed => new()
    {
        Repository = Repository,
        Threads = Environment.ProcessorCount,
        Rounds = Rounds,
        Device = Device,
        KvBlocks = 4096,
        MaxBatchTokens = 2048,
    };
}
