using AiFabric.Engine;
using AiFabric.Engine.Tests.LlamaCpp;
using TorchSharp;

namespace AiFabric.Benchmarks.Speed;

/// <summary>What the engine is measured at.</summary>
internal sealed record SpeedOptions
{
    public required string Repository { get; init; }

    /// <summary>Threads of either side.</summary>
    public required int Threads { get; init; }

    /// <summary>Measurements of each cell on each side; medians are reported.</summary>
    public required int Rounds { get; init; }

    /// <summary>How long a cell runs on both sides before it is measured, at least: the runtime compiles hot methods anew after a second or so.</summary>
    public TimeSpan WarmUp { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Where our side computes.</summary>
    public string Device { get; init; } = "cpu";

    /// <summary>Blocks of our cache.</summary>
    public int KvBlocks { get; init; } = 2048;

    /// <summary>Tokens of one of our iterations at most.</summary>
    public int MaxBatchTokens { get; init; } = 512;

    /// <summary>Tokens of a prompt whose prefill is timed.</summary>
    public int PrefillTokens { get; init; } = 512;

    /// <summary>Tokens that each sequence holds before its decoding is timed.</summary>
    public int ContextTokens { get; init; } = 256;

    /// <summary>Tokens that each sequence decodes in one measurement.</summary>
    public int DecodeSteps { get; init; } = 24;

    public IReadOnlyList<int> Batches { get; init; } = [1, 4, 16, 64];

    public IReadOnlyList<SpeedFormat> Formats { get; init; } = SpeedFormat.All;

    /// <summary>Which groups of cells are measured.</summary>
    public IReadOnlyList<string> Parts { get; init; } = SpeedParts.All;
}

/// <summary>Groups of cells.</summary>
internal static class SpeedParts
{
    /// <summary>Prefill and decoding in this process.</summary>
    public const string Compute = "compute";

    /// <summary>From the start of a process to the first token.</summary>
    public const string Start = "start";

    /// <summary>Decoding over HTTP, and memory.</summary>
    public const string Serve = "serve";

    public static IReadOnlyList<string> All { get; } = [Start, Compute, Serve];
}

/// <summary>A format of weights, on either side.</summary>
/// <param name="Name">In tables.</param>
/// <param name="Type">Our element type.</param>
/// <param name="Quantization">Our quantization.</param>
/// <param name="Gguf">llama.cpp's type of matrices.</param>
/// <param name="BytesPerWeight">Of ours; 8 bits come with 2 bytes of scale for 32 of them.</param>
/// <param name="BytesPerKey">Of a number in our cache.</param>
internal sealed record SpeedFormat(string Name, torch.ScalarType Type, Quantization Quantization, GgufType Gguf, double BytesPerWeight, int BytesPerKey)
{
    public static IReadOnlyList<SpeedFormat> All { get; } =
    [
        new("fp32", torch.ScalarType.Float32, Quantization.None, GgufType.Float32, 4, 4),
        new("bf16", torch.ScalarType.BFloat16, Quantization.None, GgufType.BFloat16, 2, 2),
        new("q8", torch.ScalarType.Float32, Quantization.Q8, GgufType.Q8, 34.0 / 32, 2),
    ];
}
