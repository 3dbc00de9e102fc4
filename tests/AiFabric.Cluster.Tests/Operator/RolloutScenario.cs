using System.Text.Json.Nodes;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Operator;

/// <summary>A rollout in which the gateway learns of new pods only when the test lets it: the old ones must stay until then. For any API server.</summary>
internal static class RolloutScenario
{
    public static async Task RunAsync(Fabric fabric)
    {
        // (1) The workers serve, but no gateway knows them: nothing is Ready, in anybody's eyes.
        fabric.GatewayKnows = _ => false;
        await fabric.CreateModelAsync(replicas: 2);
        await Fabric.WaitAsync(async () => (await PodsAsync(fabric)).Count(PodReadiness.MayServe) == 2, () => "two pods that serve");
        Assert.All(await PodsAsync(fabric), pod => Assert.False(PodReadiness.Holds(pod, "Ready")));
        CoServedModelStatus status = await StatusAsync(fabric);
        Assert.Equal((0, 0), (status.UpdatedReplicas, status.ReadyReplicas));

        // (2) The gateway learns of them.
        fabric.GatewayKnows = _ => true;
        await fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
        Assert.All(await PodsAsync(fabric), pod => Assert.True(PodReadiness.Holds(pod, PodConditions.Routable)));
        string first = (await StatusAsync(fabric)).Revision!; // It is ready.

        // (3) A change brings one new pod, which the gateway does not know yet: both old ones stay.
        fabric.GatewayKnows = route => route.Revision == first;
        var annotations = new JsonObject { ["note"] = "second" };
        await fabric.Client.PatchAsync<CoServedModel>("demo", fabric.Space, new JsonObject
        {
            ["spec"] = new JsonObject { ["template"] = new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = annotations } } },
        });
        await Fabric.WaitAsync(async () => (await PodsAsync(fabric)).Any(pod => Revision(pod) != first && PodReadiness.MayServe(pod)), () => "a new pod");
        await fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "False");
        status = await StatusAsync(fabric);
        Assert.Equal((0, 2), (status.UpdatedReplicas, status.ReadyReplicas));
        Assert.Equal(2, (await PodsAsync(fabric)).Count(pod => Revision(pod) == first && pod.Metadata.DeletionTimestamp is null));

        // (4) The gateway learns of the new pods: the old ones go, one by one.
        fabric.GatewayKnows = _ => true;
        await fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
        status = await StatusAsync(fabric);
        Assert.Equal((2, 2), (status.UpdatedReplicas, status.ReadyReplicas));
        Assert.NotEqual(first, status.Revision);
    }

    private static async Task<IReadOnlyList<V1Pod>> PodsAsync(Fabric fabric) =>
        await fabric.Client.ListAsync<V1Pod>(fabric.Space, $"{Labels.Model}=demo");

    private static async Task<CoServedModelStatus> StatusAsync(Fabric fabric) =>
        (await fabric.Client.GetAsync<CoServedModel>("demo", fabric.Space))!.Status; // It was just created.

    private static string Revision(V1Pod pod) => pod.Metadata.Labels[Labels.Revision];
}
