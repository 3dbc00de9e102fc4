using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary><c>aifabric down</c> speaks only once nothing runs any more.</summary>
[Collection(FabricTests.Name)]
public sealed class DownTests(FabricFixture shared)
{
    [Fact]
    public async Task A_running_fabric_keeps_its_ports_and_leaves_no_process_when_down_has_ended()
    {
        await using var fabric = new SpareFabric(shared);
        await fabric.UpAsync();
        Assert.NotEmpty(fabric.Processes());
        Assert.Contains(fabric.BaseUrl, await fabric.RunAsync(["up"]), StringComparison.Ordinal);
        Assert.Equal("stopped", (await fabric.DownAsync()).Trim());
        Assert.Empty(fabric.Processes());
        Assert.Equal("nothing was running", (await fabric.DownAsync()).Trim());
    }

    [Fact]
    public async Task A_cluster_whose_supervisor_was_killed_is_named_by_up_and_stopped_by_down()
    {
        await using var fabric = new SpareFabric(shared);
        await fabric.UpAsync();
        await fabric.KillAsync(process => process.Arguments.Contains("supervise"));
        int cluster = Assert.Single(fabric.Processes(), process => process.Arguments[0].EndsWith("AiFabric.LocalCluster", StringComparison.Ordinal)).Id;
        Assert.Contains($"process {cluster}", await fabric.UpAsync(exitCode: 1), StringComparison.Ordinal);
        Assert.Equal("stopped", (await fabric.DownAsync()).Trim());
        Assert.Empty(fabric.Processes());
    }
}
