using System.Globalization;
using System.Text;
using System.Text.Json;
using AiFabric.Benchmarks.Machine;

namespace AiFabric.Benchmarks.Speed;

/// <summary>One cell of the comparison.</summary>
/// <param name="Cell">Model, format and work, such as <c>random-100m q8 decode 16</c>.</param>
/// <param name="Ours">Our median.</param>
/// <param name="Peer">The other side's median: llama.cpp's, but for HTTP, where it is our own engine without it.</param>
/// <param name="Unit">Of both.</param>
/// <param name="Ratio">Oriented so that 1 and more is good for us.</param>
internal sealed record SpeedRow(string Cell, double Ours, double Peer, string Unit, double Ratio)
{
    /// <summary>More is better.</summary>
    public static SpeedRow Rate(string cell, double ours, double peer) => new(cell, ours, peer, "tok/s", ours / peer);

    /// <summary>Less is better.</summary>
    public static SpeedRow Cost(string cell, double ours, double peer, string unit) => new(cell, ours, peer, unit, peer / ours);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Cell}: {Ours:G4} against {Peer:G4} {Unit}, ratio {Ratio:0.00}");
}

/// <summary>How much of the memory's bandwidth decoding one sequence uses.</summary>
/// <param name="Cell">Model, format and work.</param>
/// <param name="ReadBytesPerSecond">What plain reading by as many threads gets, measured in turn with the decoding: the median.</param>
/// <param name="Share">What decoding moves of weights and cache, by what plain reading got in the same round: the median.</param>
internal sealed record MemoryShare(string Cell, double ReadBytesPerSecond, double Share)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Cell}: moves {Share:P0} of the {ReadBytesPerSecond / 1e9:0.0} GB/s that plain reading gets");
}

/// <summary>All that a run measured.</summary>
/// <param name="Machine">Where.</param>
/// <param name="Rounds">Measurements behind each median.</param>
/// <param name="Threads">Threads of either side.</param>
/// <param name="Memory">What decoding one sequence uses of the memory's bandwidth.</param>
/// <param name="Rows">The comparison.</param>
internal sealed record SpeedReport(MachineInfo Machine, int Rounds, int Threads, IReadOnlyList<MemoryShare> Memory, IReadOnlyList<SpeedRow> Rows)
{
    private static readonly JsonSerializerOptions Format = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    /// <summary>An earlier run's figures and this one's, which take the place of those of the same cell.</summary>
    /// <param name="earlier">What <see cref="ToJson"/> wrote.</param>
    /// <exception cref="BenchException">It is no report.</exception>
    public SpeedReport Added(string earlier)
    {
        try
        {
            var old = JsonSerializer.Deserialize<SpeedReport>(earlier, Format) ?? throw new BenchException("the earlier figures are empty");
            return this with
            {
                Memory = [.. old.Memory.Where(share => Memory.All(mine => mine.Cell != share.Cell)), .. Memory],
                Rows = [.. old.Rows.Where(row => Rows.All(mine => mine.Cell != row.Cell)), .. Rows],
            };
        }
        catch (JsonException e)
        {
            throw new BenchException($"the earlier figures cannot be added to: {e.Message}");
        }
    }

    public string ToJson() => JsonSerializer.Serialize(this, Format) + "\n";

    public string Markdown()
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"{Machine.Processor}, {Machine.Cores} cores; load before the start {Machine.LoadBefore}; {Threads} threads; medians of {Rounds} rounds.");
        foreach (var share in Memory)
            text.AppendLine().Append(share).AppendLine(".");
        text.AppendLine();
        text.AppendLine("| cell | AiFabric | llama.cpp; for HTTP: AiFabric without it | unit | ratio |").AppendLine("|---|---:|---:|---|---:|");
        foreach (var row in Rows)
            text.AppendLine(CultureInfo.InvariantCulture, $"| {row.Cell} | {Figure(row.Ours)} | {Figure(row.Peer)} | {row.Unit} | {row.Ratio:0.00} |");
        return text.ToString();
    }

    private static string Figure(double value) => value.ToString(value < 10 ? "0.00" : "0", CultureInfo.InvariantCulture);
}
