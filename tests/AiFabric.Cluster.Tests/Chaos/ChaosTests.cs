using System.Text.Json.Nodes;
using AiFabric.Cluster.Tests.EndToEnd;
using AiFabric.Cluster.Tests.Load;
using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Chaos;

/// <summary>What people, machines and networks do to the fabric while it serves.</summary>
[Trait("Suite", "chaos")]
[Collection(ChaosTestCollection.Name)]
public sealed class ChaosTests(ChaosFabric fabric, ITestOutputHelper output)
{
    [Fact]
    public async Task A_killed_worker_loses_its_running_streams_with_an_error_event_and_nothing_else()
    {
        ChaosRow row = await NewOrdeal().EndureAsync("kill -9 a worker", async () =>
        {
            V1Pod victim = (await fabric.WorkersAsync())[0];
            ContainerProcess.Kill(victim);
            await RestartedAsync(victim);
        });
        Assert.True(row.Cut == 0 && row.Load.Of(StreamEnding.FailedBeforeFirstToken) == 0, row.Load.ToString());
        Assert.InRange(row.Load.Of(StreamEnding.ErrorEvent), 0, Ordeal.Concurrency);
    }

    [Fact]
    public async Task A_killed_gateway_loses_no_more_than_the_streams_that_ran_through_it()
    {
        ChaosRow row = await NewOrdeal().EndureAsync("kill -9 a gateway", async () =>
        {
            V1Pod victim = (await fabric.GatewaysAsync())[0];
            ContainerProcess.Kill(victim);
            await RestartedAsync(victim);
        });
        Assert.InRange(row.Cut + row.Load.Of(StreamEnding.ErrorEvent), 0, Ordeal.Concurrency);
    }

    [Fact]
    public async Task A_killed_leader_costs_no_stream()
    {
        ChaosRow row = await NewOrdeal().EndureAsync("kill -9 the leading operator", async () =>
        {
            V1Pod victim = await fabric.LeaderAsync();
            ContainerProcess.Kill(victim);
            await RestartedAsync(victim);
        });
        Assert.Empty(row.Load.Failures);
    }

    [Theory]
    [InlineData("kube-apiserver")]
    [InlineData("etcd")]
    public async Task A_dead_control_plane_costs_no_stream(string component)
    {
        Ordeal ordeal = NewOrdeal();
        ChaosRow row = await ordeal.EndureAsync($"kill -9 {component}, away for 12 streams", async () =>
        {
            await fabric.Plane.KillAsync(new Component(component));
            await ordeal.ServedAsync(3 * Ordeal.Concurrency);
            await fabric.Plane.StartComponentsAsync();
        });
        Assert.Empty(row.Load.Failures);
    }

    [Fact]
    public async Task What_changes_behind_a_cut_watch_is_seen_when_it_heals()
    {
        Ordeal ordeal = NewOrdeal();
        V1Pod[] cut = [.. await fabric.GatewaysAsync(), await fabric.LeaderAsync()];
        string holder = await fabric.HolderAsync();
        ChaosRow row = await ordeal.EndureAsync(
            "gateways and leader cut off from the API server, a replica added meanwhile",
            async () =>
            {
                await using (await Partition.BetweenAsync(cut, fabric.Plane.Port))
                {
                    await ScaleAsync(ChaosFabric.Replicas + 1);
                    // The operator that still reaches the API server takes the lead and adds the pod; no gateway can hear of it.
                    await FabricFixture.UntilAsync(
                        async () => await fabric.HolderAsync() != holder && (await fabric.WorkersAsync()).Count > ChaosFabric.Replicas,
                        () => "another leader that adds a pod", seconds: 120);
                }
                await fabric.HealthyAsync(ChaosFabric.Replicas + 1);
                await ScaleAsync(ChaosFabric.Replicas);
            });
        Assert.Empty(row.Load.Failures);
    }

    [Fact]
    public async Task A_leader_that_wakes_after_its_lease_expired_does_not_lead()
    {
        ChaosRow row = await NewOrdeal().EndureAsync("leader frozen until its lease expired, then woken", async () =>
        {
            V1Pod leader = await fabric.LeaderAsync();
            string holder = await fabric.HolderAsync();
            await ContainerProcess.PauseAsync(leader);
            await FabricFixture.UntilAsync(
                async () => await fabric.HolderAsync() is { Length: > 0 } now && now != holder, () => "another leader", seconds: 120);
            string successor = await fabric.HolderAsync();
            await ContainerProcess.ResumeAsync(leader);
            await fabric.HealthyAsync();
            Assert.Equal(successor, await fabric.HolderAsync());
        });
        Assert.Empty(row.Load.Failures);
    }

    [Fact]
    public async Task A_pod_deleted_in_mid_stream_finishes_its_streams()
    {
        ChaosRow row = await NewOrdeal().EndureAsync("kubectl delete pod of a worker", async () =>
        {
            V1Pod victim = (await fabric.WorkersAsync())[0];
            await fabric.Plane.KubectlAsync(["delete", "pod", victim.Metadata.Name, "-n", ChaosFabric.Space]);
        });
        Assert.Empty(row.Load.Failures);
    }

    [Fact]
    public async Task Ten_conflicting_edits_at_once_end_in_one_of_them()
    {
        ChaosRow row = await NewOrdeal().EndureAsync("ten conflicting edits in a second", async () =>
        {
            CoServedModel stale = await fabric.ModelAsync();
            await Task.WhenAll(Enumerable.Range(0, 10).Select(number => EditAsync(stale, number)));
        });
        Assert.Empty(row.Load.Failures);
        CoServedModel model = await fabric.ModelAsync();
        IReadOnlyList<V1Pod> workers = await fabric.WorkersAsync();
        Assert.All(workers, pod => Assert.Equal(model.Spec.Template!.Metadata.Annotations["edit"], pod.Metadata.Annotations["edit"]));
    }

    [Fact]
    public async Task A_rolling_upgrade_of_three_replicas_under_200_streams_fails_none()
    {
        await ScaleAsync(3);
        ChaosRow row = await NewOrdeal().EndureAsync(
            "rolling upgrade of three replicas", () => fabric.Client.PatchAsync<CoServedModel>(ChaosFabric.Model, ChaosFabric.Space, Annotation("upgrade", "second")),
            atLeast: 200, replicas: 3);
        await ScaleAsync(ChaosFabric.Replicas);
        Assert.True(row.Load.Streams.Count >= 200 && row.Load.Failures.Count == 0, row.Load.ToString());
    }

    private Ordeal NewOrdeal() => new(fabric, output);

    /// <summary>Five edits that do not care what they replace, five that must be refused because they do.</summary>
    private async Task EditAsync(CoServedModel stale, int number)
    {
        string text = $"number {number}";
        if (number % 2 == 0)
        {
            await fabric.Client.PatchAsync<CoServedModel>(ChaosFabric.Model, ChaosFabric.Space, Annotation("edit", text));
            return;
        }
        JsonObject patch = Annotation("edit", text);
        patch["metadata"] = new JsonObject { ["resourceVersion"] = stale.Metadata.ResourceVersion };
        try
        {
            await fabric.Client.PatchAsync<CoServedModel>(ChaosFabric.Model, ChaosFabric.Space, patch);
        }
        catch (KubernetesApiException e) when (e.IsConflict)
        {
            // Another edit was first, as the API server must say.
        }
    }

    private Task ScaleAsync(int replicas) => fabric.Client.PatchAsync<CoServedModel>(
        ChaosFabric.Model, ChaosFabric.Space, new JsonObject { ["spec"] = new JsonObject { ["replicas"] = replicas } });

    private static JsonObject Annotation(string name, string value) => new()
    {
        ["spec"] = new JsonObject
        {
            ["template"] = new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [name] = value } } },
        },
    };

    /// <summary>Waits until the kubelet has noticed: only then can anything be whole again.</summary>
    private Task RestartedAsync(V1Pod before) => FabricFixture.UntilAsync(
        async () => (await fabric.Client.GetAsync<V1Pod>(before.Metadata.Name, before.Metadata.NamespaceProperty))?.Status.ContainerStatuses[0].RestartCount
            > before.Status.ContainerStatuses[0].RestartCount,
        () => $"a restart of {before.Metadata.Name}");
}
