using System.Text.Json;
using ScottPlot;

namespace AiFabric.Benchmarks.CoServing;

/// <summary>The figures of FlexLLM's evaluation, from our own numbers.</summary>
internal static class CoServeFigures
{
    private const int Width = 900;
    private const int Height = 420;

    private static readonly ScottPlot.Palettes.Category20 Colours = new();

    /// <summary>Draws what there is: throughput, requests within the objectives, the burst, and memory.</summary>
    /// <param name="report">Measured.</param>
    /// <param name="memory">The memory table, as JSON; left out where there is none.</param>
    /// <param name="folder">Gets <c>coserve-*.svg</c>.</param>
    public static void Draw(CoServeReport report, string memory, string folder)
    {
        Directory.CreateDirectory(folder);
        Save(Bars(report, row => row.FinetuneTokensPerSecond, "finetuned, tokens/s (pale: misses the objectives)"), "throughput");
        Save(Bars(report, row => 100 * row.WithinObjective, "requests within the objectives, %"), "attainment");
        if (report.Burst is { } burst)
            Save(Burst(burst), "burst");
        if (File.Exists(memory))
            Save(Memory(memory), "memory");

        void Save(Plot plot, string name) => plot.SaveSvg(Path.Combine(folder, $"coserve-{name}.svg"), Width, Height);
    }

    private static Plot Bars(CoServeReport report, Func<CoServeRow, double> value, string label)
    {
        var plot = new Plot();
        string[] loads = [.. report.Rows.Select(row => row.Load).Distinct()];
        string[] systems = [.. report.Rows.Select(row => row.System).Distinct()];
        for (int system = 0; system < systems.Length; system++)
        {
            var colour = Colours.GetColor(system);
            var bars = report.Rows.Where(row => row.System == systems[system]).Select(row => new Bar
            {
                Position = (Array.IndexOf(loads, row.Load) * (systems.Length + 2)) + system,
                Value = value(row),
                FillColor = row.Meets ? colour : colour.WithAlpha(0.3),
                LineColor = colour,
            });
            plot.Add.Bars(bars.ToArray()).LegendText = systems[system];
        }
        plot.Axes.Bottom.SetTicks([.. loads.Select((_, i) => (i * (systems.Length + 2.0)) + ((systems.Length - 1) / 2.0))], loads);
        plot.YLabel(label);
        plot.Axes.Margins(bottom: 0);
        plot.ShowLegend(Edge.Right);
        return plot;
    }

    private static Plot Burst(BurstFigures burst)
    {
        var plot = new Plot();
        double[] times = [.. burst.Moments.Select(moment => moment.At)];
        plot.Add.HorizontalSpan(burst.BurstStart, burst.BurstEnd, Colors.Gray.WithAlpha(0.15)).LegendText = "full load";
        var tokens = plot.Add.Scatter(times, burst.Moments.Select(moment => moment.FinetuneTokensPerSecond).ToArray());
        tokens.LegendText = "finetuned, tokens/s";
        var running = plot.Add.Scatter(times, burst.Moments.Select(moment => moment.Running).ToArray());
        running.LegendText = "requests that run";
        running.Axes.YAxis = plot.Axes.Right;
        plot.Axes.Right.Label.Text = "requests that run";
        plot.XLabel("seconds");
        plot.YLabel("finetuned, tokens/s");
        plot.ShowLegend(Alignment.UpperRight);
        return plot;
    }

    // Rows {name, conventionalBytes, prunedBytes, recomputedBytes} of the memory benchmark.
    private static Plot Memory(string path)
    {
        var plot = new Plot();
        using var json = JsonDocument.Parse(File.ReadAllText(path));
        var rows = json.RootElement.GetProperty("rows").EnumerateArray().ToList();
        (string Field, string Name)[] kinds = [("conventionalBytes", "autograd"), ("prunedBytes", "pruned"), ("recomputedBytes", "pruned and recomputed")];
        for (int kind = 0; kind < kinds.Length; kind++)
        {
            var colour = Colours.GetColor(kind);
            var bars = rows.Select((row, i) => new Bar { Position = (i * 4) + kind, Value = row.GetProperty(kinds[kind].Field).GetDouble() / 1e6, FillColor = colour });
            plot.Add.Bars(bars.ToArray()).LegendText = kinds[kind].Name;
        }
        plot.Axes.Bottom.SetTicks([.. rows.Select((_, i) => (i * 4) + 1.0)], [.. rows.Select(row => row.GetProperty("name").GetString() ?? "")]);
        plot.YLabel("activations, MB");
        plot.Axes.Margins(bottom: 0);
        plot.ShowLegend(Edge.Right);
        return plot;
    }
}
