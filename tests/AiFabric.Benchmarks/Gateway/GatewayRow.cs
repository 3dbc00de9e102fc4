using System.Text.Json;

namespace AiFabric.Benchmarks.Gateway;

/// <summary>One figure beside its peer.</summary>
/// <param name="Case">What was measured, with its unit.</param>
/// <param name="Ours">The gateway's.</param>
/// <param name="Peer">The other's; the case names whose.</param>
/// <param name="Ratio">Ours to the peer's.</param>
internal sealed record GatewayRow(string Case, double Ours, double Peer, double Ratio)
{
    private static readonly JsonSerializerOptions Format = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public static GatewayRow Of(string name, double ours, double peer) =>
        new(name, Math.Round(ours, 4), Math.Round(peer, 4), Math.Round(ours / peer, 3));

    public static string Json(IEnumerable<GatewayRow> rows) => JsonSerializer.Serialize(rows, Format) + "\n";

    public static string Markdown(IEnumerable<GatewayRow> rows) => string.Join(
        '\n', rows.Select(row => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"| {row.Case} | {row.Ours:0.###} | {row.Peer:0.###} | {row.Ratio:0.00} |"))
            .Prepend("|---|---:|---:|---:|").Prepend("| case | gateway | peer | ratio |"));
}

/// <summary>Quantiles of times.</summary>
internal static class Quantiles
{
    /// <summary>The value below which a part of all lie; NaN of none.</summary>
    public static double At(IEnumerable<double> values, double part)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? double.NaN : sorted[(int)Math.Min(sorted.Length - 1, Math.Ceiling(part * sorted.Length) - 1 + (part == 0 ? 1 : 0))];
    }
}
