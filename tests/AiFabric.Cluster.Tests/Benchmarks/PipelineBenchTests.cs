using AiFabric.Benchmarks.Pipelines;
using AiFabric.Crds.Pipelines;
using Xunit;

namespace AiFabric.Cluster.Tests.Benchmarks;

public sealed class PipelineBenchTests
{
    [Fact]
    public void The_same_seed_gives_the_same_figures_and_every_request_is_served()
    {
        IReadOnlyList<Served> one = EmulatedCluster.Run(PipelineExecution.Streaming, 2, 100, seed: 3);
        Assert.Equal(one, EmulatedCluster.Run(PipelineExecution.Streaming, 2, 100, seed: 3));
        Assert.Equal(90, one.Count);
        Assert.Equal(90, EmulatedCluster.Run(PipelineExecution.Barrier, 2, 100, seed: 3).Count);
    }

    [Fact]
    public void Alone_a_request_takes_its_critical_path()
    {
        // Prompt and tokens of the answer, then for the last claim query, search and verdict, then the summary.
        double Path(int claims) => (4 * FactCheck.PromptSeconds) + FactCheck.SearchSeconds
            + ((FactCheck.Tokens("answer", claims) + FactCheck.Tokens("query", 0) + FactCheck.Tokens("verdict", 0) + FactCheck.Tokens("summary", 0)) * FactCheck.TokenSeconds);
        double[] paths = [.. Enumerable.Range(FactCheck.FewestClaims, FactCheck.MostClaims - FactCheck.FewestClaims + 1).Select(Path)];

        Assert.All(
            EmulatedCluster.Run(PipelineExecution.Streaming, 0.001, 50, seed: 1),
            served => Assert.Contains(paths, path => Math.Abs(path - served.End) < 1e-6));
    }

    [Fact]
    public void The_throughput_is_the_highest_load_below_which_all_meet_the_target()
    {
        static Latencies At(double p50, double p99) => new(p50, p50, p99, p50);
        PipelineRow row = PipelineBench.Row("x", 4, [
            new LoadPoint(1, At(1, 2), At(3, 6)), new LoadPoint(2, At(2, 3), At(5, 9)), new LoadPoint(3, At(3, 4), At(3, 9)), new LoadPoint(4, At(5, 6), At(9, 9))]);
        Assert.Equal((3, 3), (row.ThroughputRatio, row.P99Ratio));
    }
}
