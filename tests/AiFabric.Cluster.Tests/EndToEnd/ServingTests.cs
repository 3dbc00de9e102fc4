using AiFabric.Crds.CoServedModels;
using AiFabric.Protocol.Gateway;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

[Collection(FabricTests.Name)]
public sealed class ServingTests(FabricFixture fabric)
{
    [Fact]
    public async Task A_chat_streams_through_the_gateway_to_its_end()
    {
        await fabric.ModelReadyAsync();
        IReadOnlyList<string> events = await fabric.ChatAsync("demo");
        Assert.True(events.Count >= 4, string.Join('\n', events));
        Assert.Equal("[DONE]", events[^1]);
        Assert.Contains("\"finish_reason\":\"length\"", events[^2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_deleted_pod_is_not_counted_as_ready_and_its_replacement_serves()
    {
        await fabric.ModelReadyAsync();
        ContainerRun deleted = await fabric.Processes.WorkerAsync();
        string uid = (await fabric.Client.GetAsync<V1Pod>(deleted.Pod, FabricFixture.Space))!.Metadata.Uid;
        await fabric.KubectlAsync(["delete", "pod", deleted.Pod, "--wait=false"]);

        // The replacement takes seconds to load: until then nothing is ready.
        CoServedModelStatus? status = null;
        await FabricFixture.UntilAsync(
            async () =>
            {
                status = (await fabric.Client.GetAsync<CoServedModel>("demo", FabricFixture.Space))!.Status;
                return status.ReadyReplicas == 0 && status.Conditions!.Single(c => c.Type == CoServedModelConditions.Ready).Status == "False";
            },
            () => $"no ready replica; there are {status?.ReadyReplicas}", seconds: 15);

        await fabric.ModelReadyAsync();
        RouteEntry route = Assert.Single(await fabric.RoutesAsync(), entry => entry.Model == "demo");
        Assert.NotEqual(uid, route.PodUid);
        Assert.Equal("[DONE]", (await fabric.ChatAsync("demo"))[^1]);
    }
}
