using System.Text.Json;
using AiFabric.Benchmarks.Scale;
using AiFabric.Cluster.Tests.RealCluster;
using Xunit;

namespace AiFabric.Cluster.Tests.Benchmarks;

/// <summary>The scale benchmark at a size that only shows that it works, and that the operator writes each object no more often than it must.</summary>
[Collection(RealClusterTests.Name)]
[Trait("Suite", "e2e")]
public sealed class OperatorBenchTests
{
    private const int Size = 20;

    [Fact]
    public async Task Models_and_jobs_get_ready_with_few_requests_and_nothing_is_written_after()
    {
        Assert.SkipUnless(ControlPlane.Missing() is null, ControlPlane.Missing() ?? "");
        var options = new ScaleOptions
        {
            Repository = ControlPlane.Repository,
            SteadyTime = TimeSpan.FromSeconds(10),
            Limit = TimeSpan.FromMinutes(3),
            Port = 17_850,
            Network = 89,
        };
        var told = new List<string>();

        ScaleReport report = await ScaleBench.RunAsync(options, [new ScaleSize(Size, Size)], told.Add, TestContext.Current.CancellationToken);

        Assert.Empty(report.Problems);
        SizeFigures figures = Assert.Single(report.Sizes);
        Assert.True(figures.Rollout.ModelsReadySeconds > 0);
        Assert.True(figures.Restart.CaughtUpSeconds > 0);
        foreach (string once in (string[])["deployments", "services"])
            Assert.Equal(Size, figures.Rollout.Requests.Where(request => request.Resource == once).Sum(request => request.Count));
        using JsonDocument json = JsonDocument.Parse(report.ToJson());
        Assert.Equal(Size, json.RootElement.GetProperty("sizes")[0].GetProperty("size").GetProperty("models").GetInt32());
        Assert.Contains("| all models Ready, s |", ScaleTable.Markdown(report), StringComparison.Ordinal);
    }
}
