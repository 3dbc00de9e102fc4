using System.Net;
using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using k8s.Models;
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

    [Fact]
    public async Task A_server_without_disruption_budgets_is_told_of_once()
    {
        await Fabric.CreateModelAsync(replicas: 2);
        await Fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
        // Several looks later there is still one event, told once.
        await Task.Delay(TimeSpan.FromSeconds(3));
        Corev1Event told = Assert.Single(await Fabric.Client.ListAsync<Corev1Event>(Fabric.Space), e => e.Reason == "NoDisruptionBudget");
        Assert.Equal(("demo", 1), (told.InvolvedObject.Name, told.Count ?? 1));
    }
}
