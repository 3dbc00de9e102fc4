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
[Collection(ChaosRuns.Name)]
public sealed class ChaosTests(ChaosFabric fabric, ITestOutputHelper output)
{
    [Fact]
    public async Task A_killed_worker_loses_its_running_streams_with_an_error_event_and_nothing_else()
    {
        var fault = new Fault("kill -9 a worker", _ => KillAsync(fabric.WorkersAsync));
        ChaosRow row = await EndureAsync(fault);
        Assert.True(row.Cut == 0 && row.Load.Of(StreamEnding.FailedBeforeFirstToken) == 0, row.Load.ToString());
        Assert.InRange(row.Load.Of(StreamEnding.ErrorEvent), 1, fault.Concurrency);
        Assert.All(row.Load.Failures, stream => Assert.StartsWith("worker_lost", stream.Error, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_killed_gateway_loses_no_more_than_the_streams_that_ran_through_it()
    {
        var fault = new Fault("kill -9 a gateway", _ => KillAsync(fabric.GatewaysAsync));
        ChaosRow row = await EndureAsync(fault);
        Assert.InRange(row.Cut + row.Load.Of(StreamEnding.ErrorEvent), 0, fault.Concurrency);
    }

    [Fact]
    public async Task A_killed_leader_costs_no_stream()
    {
        ChaosRow row = await EndureAsync(new Fault("kill -9 the leading operator", _ => KillAsync(async () => [await fabric.LeaderAsync()])));
        Assert.Empty(row.Load.Failures);
    }

    [Theory]
    [InlineData("kube-apiserver")]
    [InlineData("etcd")]
    public async Task A_dead_control_plane_costs_no_stream(string component)
    {
        ChaosRow row = await EndureAsync(new Fault($"kill -9 {component}, back after 12 streams", async ordeal =>
        {
            try
            {
                await fabric.Plane.KillAsync(new Component(component));
                await ordeal.ServedAsync(12);
            }
            finally
            {
                await fabric.Plane.StartComponentsAsync();
            }
            ordeal.Over();
        }));
        Assert.Empty(row.Load.Failures);
    }

    [Fact]
    public async Task What_changes_behind_a_cut_watch_is_seen_when_it_heals()
    {
        ChaosRow row = await EndureAsync(new Fault("gateways and leader cut off from the API server while a replica is added", CutAsync)
        {
            ReplicasAfter = ChaosFabric.Replicas + 1,
            TidyAsync = () => fabric.ScaleAsync(ChaosFabric.Replicas),
        });
        Assert.Empty(row.Load.Failures);
    }

    [Fact]
    public async Task A_leader_that_wakes_after_its_lease_expired_does_not_lead()
    {
        ChaosRow row = await EndureAsync(new Fault("leader frozen until its Lease expired, then woken", async ordeal =>
        {
            V1Pod leader = await fabric.LeaderAsync();
            await ContainerProcess.PauseAsync(leader);
            string successor = await SuccessorAsync(leader);
            await ContainerProcess.ResumeAsync(leader);
            ordeal.Over();
            await ordeal.HealthyAsync();
            Assert.Equal(successor, await fabric.HolderAsync());
            V1Pod? woken = await fabric.Client.GetAsync<V1Pod>(leader.Metadata.Name, ChaosFabric.System);
            Assert.Equal(1, woken?.Status.ContainerStatuses[0].LastState?.Terminated?.ExitCode); // It told that it stopped because it had lost.
        }));
        Assert.Empty(row.Load.Failures);
    }

    [Fact]
    public async Task A_pod_deleted_in_mid_stream_finishes_its_streams()
    {
        ChaosRow row = await EndureAsync(new Fault("kubectl delete pod of a worker", async _ =>
        {
            V1Pod victim = (await fabric.WorkersAsync())[0];
            await fabric.Plane.KubectlAsync(["delete", "pod", victim.Metadata.Name, "-n", ChaosFabric.Space, "--wait=false"]);
        }));
        Assert.Empty(row.Load.Failures);
    }

    [Fact]
    public async Task Ten_conflicting_edits_at_once_end_in_one_of_them()
    {
        ChaosRow row = await EndureAsync(new Fault("ten conflicting edits in a second", async _ =>
        {
            CoServedModel stale = await fabric.ModelAsync();
            await Task.WhenAll(Enumerable.Range(0, 10).Select(number => EditAsync(stale, number)));
        }));
        Assert.Empty(row.Load.Failures);
        CoServedModel model = await fabric.ModelAsync();
        IReadOnlyList<V1Pod> workers = await fabric.WorkersAsync();
        Assert.All(workers, pod => Assert.Equal(model.Spec.Template!.Metadata.Annotations["edit"], pod.Metadata.Annotations["edit"]));
    }

    [Fact]
    public async Task A_rolling_upgrade_of_three_replicas_under_200_streams_fails_none()
    {
        var fault = new Fault("rolling upgrade of three replicas, 200 streams at a time", _ =>
            fabric.Client.PatchAsync<CoServedModel>(ChaosFabric.Model, ChaosFabric.Space, Annotation("upgrade", "second")))
        {
            Replicas = 3,
            Concurrency = 200,
        };
        ChaosRow row = await EndureAsync(fault);
        Assert.True(row.Load.Streams.Count > fault.Concurrency && row.Load.Failures.Count == 0, row.Load.ToString());
    }

    private Task<ChaosRow> EndureAsync(Fault fault) => Ordeal.EndureAsync(fabric, output, fault);

    /// <summary>Kills the first of them and waits until its kubelet has noticed: only then can anything be whole again.</summary>
    private async Task KillAsync(Func<Task<IReadOnlyList<V1Pod>>> among)
    {
        V1Pod victim = (await among())[0];
        ContainerProcess.Kill(victim);
        await FabricFixture.UntilAsync(
            async () => Restarts(await fabric.Client.GetAsync<V1Pod>(victim.Metadata.Name, victim.Metadata.NamespaceProperty)) > Restarts(victim),
            () => $"a restart of {victim.Metadata.Name}");
    }

    private static int Restarts(V1Pod? pod) => pod?.Status.ContainerStatuses?.Sum(container => container.RestartCount) ?? 0;

    /// <summary>The operator that still reaches the API server takes the lead and adds the pod; no gateway can hear of it until the cut is over.</summary>
    private async Task CutAsync(Ordeal ordeal)
    {
        V1Pod leader = await fabric.LeaderAsync();
        await using (await Partition.BetweenAsync([.. await fabric.GatewaysAsync(), leader], fabric.Plane.Port))
        {
            await SuccessorAsync(leader);
            await fabric.ScaleAsync(ChaosFabric.Replicas + 1);
            await FabricFixture.UntilAsync(
                async () => (await fabric.WorkersAsync()).Count(pod => ChaosFabric.Has(pod, "ContainersReady")) > ChaosFabric.Replicas, () => "one more worker");
        }
        ordeal.Over();
    }

    /// <summary>Waits until another operator leads.</summary>
    /// <returns>Its identity.</returns>
    private async Task<string> SuccessorAsync(V1Pod leader)
    {
        string holder = "";
        await FabricFixture.UntilAsync(
            async () => (holder = await fabric.HolderAsync()).Length > 0 && !holder.StartsWith(leader.Metadata.Name, StringComparison.Ordinal),
            () => "another leader", seconds: 120);
        return holder;
    }

    /// <summary>Five edits that do not care what they replace, five that must be refused because they do.</summary>
    private async Task EditAsync(CoServedModel stale, int number)
    {
        JsonObject patch = Annotation("edit", $"number {number}");
        if (number % 2 == 1)
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

    private static JsonObject Annotation(string name, string value) => new()
    {
        ["spec"] = new JsonObject
        {
            ["template"] = new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [name] = value } } },
        },
    };
}
