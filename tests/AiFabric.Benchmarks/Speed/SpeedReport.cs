using System.Globalization;
using System.Text;
using System.Text.Json;
using AiFabric.Benchmarks.Machine;

namespace AiFabric.Benchmarks.Speed;

/// <summary>One cell of the comparison.</summary>
/// <param name="Cell">Model, format and work, such as <c>random-100m q8 decode 16</c>.</param>
/// <param name="Ours">Our median, tokens per second.</param>
/// <param name="Peer">llama.cpp's median, tokens per second.</param>
internal sealed record SpeedRow(string Cell, double Ours, double Peer)
{
    public double Ratio => Ours / Peer;
}

/// <summary>All that a run measured.</summary>
/// <param name="Machine">Where.</param>
/// <param name="Rounds">Measurements behind each median.</param>
/// <param name="Threads">Threads of either side.</param>
/// <param name="ReadBytesPerSecond">What the memory gives those threads.</param>
/// <param name="Q8Share">Share of it that decoding one sequence with 8-bit weights moves.</param>
/// <param name="Rows">The comparison.</param>
internal sealed record SpeedReport(MachineInfo Machine, int Rounds, int Threads, double ReadBytesPerSecond, double Q8Share, IReadOnlyList<SpeedRow> Rows)
{
    private static readonly JsonSerializerOptions Format = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public string ToJson() => JsonSerializer.Serialize(this, Format) + "\n";

    public string Markdown()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Machine.Processor}, {Machine.Cores} cores; load before the start {Machine.LoadBefore}; {Threads} threads; medians of {Rounds} rounds.");
        text.AppendLine(CultureInfo.InvariantCulture, $"Memory is read at {ReadBytesPerSecond / 1e9:0.0} GB/s; q8 decoding of one sequence moves {Q8Share:P0} of that.").AppendLine();
        text.AppendLine("| cell | AiFabric, tok/s | llama.cpp, tok/s | ratio |").AppendLine("|---|---:|---:|---:|");
        foreach (var row in Rows)
            text.AppendLine(CultureInfo.InvariantCulture, $"| {row.Cell} | {row.Ours:0} | {row.Peer:0} | {row.Ratio:0.00} |");
        return text.ToString();
    }
}
