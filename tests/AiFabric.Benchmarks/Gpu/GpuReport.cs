using System.Globalization;
using System.Text;
using System.Text.Json;
using AiFabric.Benchmarks.Machine;

namespace AiFabric.Benchmarks.Gpu;

/// <summary>One cell.</summary>
/// <param name="Cell">Shape and work, such as <c>random-8b decode 32</c>.</param>
/// <param name="Ours">Our median, tokens per second.</param>
/// <param name="Peer">The median of transformers; null where it is not installed.</param>
/// <param name="Roofline">What the device would give at most, tokens per second.</param>
internal sealed record GpuRow(string Cell, double Ours, double? Peer, double Roofline)
{
    public double? Ratio => Ours / Peer;

    public double Share => Ours / Roofline;
}

/// <summary>How long a worker takes to be ready.</summary>
internal sealed record GpuStart(string Shape, double Seconds);

/// <summary>All that a run measured.</summary>
/// <param name="Machine">Where.</param>
/// <param name="Device">Which device.</param>
/// <param name="IsDryRun">Whether the figures mean nothing.</param>
/// <param name="Rounds">Measurements behind each median.</param>
/// <param name="Correctness">Against the CPU.</param>
/// <param name="Roofline">The device's bounds.</param>
/// <param name="PeerAbsent">Why there is nothing beside ours; null when there is.</param>
/// <param name="Starts">Of workers.</param>
/// <param name="Rows">The cells.</param>
internal sealed record GpuReport(
    MachineInfo Machine, string Device, bool IsDryRun, int Rounds, IReadOnlyList<Correctness> Correctness, Roofline Roofline, string? PeerAbsent,
    IReadOnlyList<GpuStart> Starts, IReadOnlyList<GpuRow> Rows)
{
    private static readonly JsonSerializerOptions Format = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>Whether the device computes what the CPU computes.</summary>
    public bool IsCorrect => Correctness.All(measured => measured.Holds);

    public string ToJson() => JsonSerializer.Serialize(this, Format) + "\n";

    public string Markdown()
    {
        var text = new StringBuilder();
        if (IsDryRun)
            text.AppendLine("Dry run: tiny shapes on the CPU. The figures mean nothing.").AppendLine();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Device} beside {Machine.Processor}, {Machine.Cores} cores; bfloat16; medians of {Rounds} rounds.");
        text.AppendLine(CultureInfo.InvariantCulture, $"Roofline: memory is read at {Roofline.ReadBytesPerSecond / 1e9:0} GB/s, matrices multiply at {Roofline.OperationsPerSecond / 1e12:0.0} TFLOP/s.");
        foreach (var measured in Correctness)
            text.AppendLine(CultureInfo.InvariantCulture, $"Log probabilities of {measured.Shape} in {measured.Type} are at most {measured.LargestDifference:G2} from float32 on the CPU ({measured.Allowed:G2} allowed).");
        foreach (var start in Starts)
            text.AppendLine(CultureInfo.InvariantCulture, $"The worker of {start.Shape} is ready after {start.Seconds:0.0} s.");
        if (PeerAbsent is not null)
            text.AppendLine(CultureInfo.InvariantCulture, $"Nothing beside ours: {PeerAbsent}.");
        text.AppendLine().AppendLine("| cell | AiFabric, tok/s | of the roofline | transformers, tok/s | ratio |").AppendLine("|---|---:|---:|---:|---:|");
        foreach (var row in Rows)
            text.AppendLine(CultureInfo.InvariantCulture, $"| {row.Cell} | {row.Ours:0} | {row.Share:P0} | {row.Peer:0} | {row.Ratio:0.00} |");
        return text.ToString();
    }
}
