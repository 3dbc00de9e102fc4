using AiFabric.Cluster.Tests.RealCluster;
using Xunit;

namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>A real server evaluates every CEL rule of the CRDs as the table says.</summary>
[Trait("Suite", "e2e")]
[Collection(RealClusterTests.Name)]
public sealed class RealCelTests(RealClusterFixture cluster)
{
    public static TheoryData<CelCase> Cases { get; } = [.. CelTable.All];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task The_server_accepts_and_refuses_as_the_table_says(CelCase one)
    {
        using HttpEndpoint server = HttpEndpoint.Of(cluster.Plane.Kubeconfig);
        await CelAsks.CheckAsync(server, one);
    }
}
