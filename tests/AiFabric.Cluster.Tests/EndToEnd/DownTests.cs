using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary><c>aifabric down</c> speaks only once nothing runs any more.</summary>
[Collection(FabricTests.Name)]
public sealed class DownTests(FabricFixture shared)
{
    [Fact]
    public async Task When_down_has_ended_no_process_of_the_fabric_is_left()
    {
        await using var fabric = new SpareFabric(shared);
        await fabric.UpAsync();
        Assert.NotEmpty(fabric.Processes());
        Assert.Equal("stopped", (await fabric.DownAsync()).Trim());
        Assert.Empty(fabric.Processes());
    }
}
