using System.Net;
using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.Kube;
using Xunit;

namespace AiFabric.Cluster.Tests.Operator;

/// <summary>The same on a real control plane: its controllers make the pods, its rules judge what the operator writes.</summary>
[Trait("Suite", "e2e")]
[Collection(RealClusterTests.Name)]
public sealed class RealOperatorTests(RealClusterFixture cluster) : OperatorTests
{
    private protected override Task<Fabric> StartAsync() => Fabric.StartOnAsync(cluster.Plane);

    protected override async Task ChangeDatasetAsync()
    {
        var refusal = await Assert.ThrowsAsync<KubernetesApiException>(PatchDatasetAsync);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, refusal.StatusCode);
        Assert.Contains("dataset is immutable", refusal.Message, StringComparison.Ordinal);
    }
}
