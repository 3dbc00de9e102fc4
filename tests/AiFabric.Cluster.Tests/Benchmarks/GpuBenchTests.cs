using System.Text.Json;
using AiFabric.Benchmarks.Gpu;
using AiFabric.Cluster.Tests.RealCluster;
using Xunit;

namespace AiFabric.Cluster.Tests.Benchmarks;

/// <summary>All of <c>make bench-gpu</c> with tiny shapes on the CPU, so that it runs where there is a GPU.</summary>
public sealed class GpuBenchTests
{
    [Fact]
    public async Task A_dry_run_measures_every_cell_and_agrees_with_the_cpu()
    {
        var told = new List<string>();

        GpuReport report = await GpuBench.RunAsync(GpuOptions.DryRun(ControlPlane.Repository) with { Python = "python-that-is-missing" }, told.Add, TestContext.Current.CancellationToken);

        Assert.True(report.IsDryRun && report.IsCorrect, string.Join("\n", told));
        Assert.Equal(["random-small prefill 48", "random-small decode 1", "random-small decode 3"], report.Rows.Select(row => row.Cell));
        Assert.All(report.Rows, row => Assert.True(row is { Ours: > 0, Roofline: > 0, Peer: null }, row.ToString()));
        Assert.Equal(1, report.Correctness[0].SameTokens);
        Assert.True(Assert.Single(report.Starts).Seconds > 0);
        Assert.Equal("python-that-is-missing has no torch and transformers", report.PeerAbsent);
        using JsonDocument json = JsonDocument.Parse(report.ToJson());
        Assert.Equal(3, json.RootElement.GetProperty("rows").GetArrayLength());
        Assert.Contains("Dry run", report.Markdown(), StringComparison.Ordinal);
        Assert.Contains("| random-small decode 3 |", report.Markdown(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_shapes_are_those_of_llama()
    {
        // 1.24 and 8.03 billion weights, two bytes each, the embedding of the larger not read by a step.
        Assert.Equal(1.236e9, GpuShape.OneBillion.WeightBytes / 2, 0.001e9);
        Assert.Equal(8.03e9 - (128_256 * 4096.0), GpuShape.EightBillion.WeightBytes / 2, 0.001e9);
        Assert.Equal(131_072, GpuShape.EightBillion.CacheBytesPerToken);
    }
}
