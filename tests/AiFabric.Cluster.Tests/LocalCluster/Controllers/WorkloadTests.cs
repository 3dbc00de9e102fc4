using System.Diagnostics;
using System.Text.Json.Nodes;
using AiFabric.Cluster.Tests.LocalCluster.Node;
using AiFabric.LocalCluster.Registry;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.LocalCluster.Controllers;

public sealed class WorkloadTests
{
    [Fact]
    public async Task Deployment_rolls_out_scales_rolls_over_and_is_collected()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        node.CreateYaml<V1Deployment>(Deployment("sleep 1000"));
        V1Deployment ready = await node.UntilAsync<V1Deployment>("web", d => RolledOut(d, 2), "be rolled out");
        Assert.Equal("1", ready.Metadata.Annotations["deployment.kubernetes.io/revision"]);

        node.Patch<V1Deployment>("web", d => d["spec"]!["replicas"] = 3);
        await node.UntilAsync<V1Deployment>("web", d => RolledOut(d, 3), "have three replicas");

        string[] before = [.. node.Api.List<V1Pod>("default").Select(p => p.Metadata.Name)];
        node.Patch<V1Deployment>("web", d => d["spec"]!["template"]!["spec"]!["containers"]![0]!["command"] = new JsonArray("sleep", "2000"));
        V1Deployment second = await node.UntilAsync<V1Deployment>("web", d => RolledOut(d, 3) && d.Metadata.Annotations["deployment.kubernetes.io/revision"] == "2", "be rolled over");
        await Eventually.TrueAsync(() => node.Api.List<V1Pod>("default").Count == 3, () => "three pods should be left");
        Assert.DoesNotContain(node.Api.List<V1Pod>("default"), p => before.Contains(p.Metadata.Name));
        Assert.Equal([0, 3], node.Api.List<V1ReplicaSet>("default").Select(s => s.Spec.Replicas!.Value).Order());

        node.Api.Delete(second);
        await Eventually.TrueAsync(
            () => node.Api.List<V1Pod>("default").Count + node.Api.List<V1ReplicaSet>("default").Count == 0, () => "replica sets and pods should be collected");
    }

    [Fact]
    public async Task Settled_deployment_causes_no_more_writes()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        node.CreateYaml<V1Deployment>(Deployment("sleep 1000"));
        await node.UntilAsync<V1Deployment>("web", d => RolledOut(d, 2), "be rolled out");
        ResourceType leases = node.Api.TypeOf<V1Lease>();
        long Revision() => node.Raw.List(leases, "nowhere").Revision;
        long last = -1;
        var still = Stopwatch.StartNew();

        // Nothing changes over ten polls of the node, and over ten more: the revision stands still (the lease is renewed every ten seconds, at most once here).
        await Eventually.TrueAsync(
            () =>
            {
                if (last != (last = Revision()))
                    still.Restart();
                return still.ElapsedMilliseconds >= 500;
            },
            () => "the cluster should settle");
        long start = Revision();
        await Task.Delay(500, TestContext.Current.CancellationToken); // the absence of writes can only be watched for a while
        Assert.InRange(Revision() - start, 0, 1);
    }

    [Fact]
    public async Task Foreground_deletion_waits_for_the_pods_and_orphaning_leaves_them()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        V1Deployment first = node.CreateYaml<V1Deployment>(Deployment("sleep 1000"));
        await node.UntilAsync<V1Deployment>("web", d => RolledOut(d, 2), "be rolled out");
        node.Api.Delete(first, new DeleteRequest { PropagationPolicy = "Foreground" });
        await node.GoneAsync<V1Deployment>("web");
        Assert.Empty(node.Api.List<V1ReplicaSet>("default"));
        Assert.Empty(node.Api.List<V1Pod>("default"));

        V1Deployment second = node.CreateYaml<V1Deployment>(Deployment("sleep 1000"));
        await node.UntilAsync<V1Deployment>("web", d => RolledOut(d, 2), "be rolled out");
        node.Api.Delete(second, new DeleteRequest { PropagationPolicy = "Orphan" });
        await node.GoneAsync<V1Deployment>("web");
        V1ReplicaSet orphan = Assert.Single(node.Api.List<V1ReplicaSet>("default"));
        Assert.True(orphan.Metadata.OwnerReferences is not { Count: > 0 });
        Assert.Equal(2, node.Api.List<V1Pod>("default").Count);
        node.Api.Delete(orphan);
        await Eventually.TrueAsync(() => node.Api.List<V1Pod>("default").Count == 0, () => "the pods should go with their replica set");
    }

    [Fact]
    public async Task Job_completes_with_parallel_pods_and_a_hopeless_one_fails()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        node.CreateYaml<V1Job>(Job("good", "completions: 3\n  parallelism: 2", "exit 0"));
        node.CreateYaml<V1Job>(Job("bad", "backoffLimit: 1", "exit 1"));

        V1Job good = await node.UntilAsync<V1Job>("good", j => j.Status?.Conditions?.Any(c => c is { Type: "Complete", Status: "True" }) == true, "complete");
        V1Job bad = await node.UntilAsync<V1Job>("bad", j => j.Status?.Conditions?.Any(c => c is { Type: "Failed", Status: "True" }) == true, "fail");

        Assert.Equal(3, good.Status.Succeeded);
        Assert.NotNull(good.Status.CompletionTime);
        Assert.Equal(2, bad.Status.Failed);
        Assert.Equal("BackoffLimitExceeded", bad.Status.Conditions.Single(c => c.Type == "Failed").Reason);
    }

    private static bool RolledOut(V1Deployment d, int replicas) =>
        d.Status is { } s && s.ObservedGeneration == d.Metadata.Generation && s.UpdatedReplicas == replicas && s.AvailableReplicas == replicas
        && s.Replicas == replicas && s.Conditions.Any(c => c is { Type: "Progressing", Reason: "NewReplicaSetAvailable" })
        && s.Conditions.Any(c => c is { Type: "Available", Status: "True" });

    private static string Deployment(string script) => $"""
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: web
        spec:
          replicas: 2
          selector:
            matchLabels:
              app: web
          template:
            metadata:
              labels:
                app: web
            spec:
              terminationGracePeriodSeconds: 1
              containers:
              - name: main
                image: shell
                command: [sh, -c, "{script}"]
        """;

    private static string Job(string name, string fields, string script) => $"""
        apiVersion: batch/v1
        kind: Job
        metadata:
          name: {name}
        spec:
          {fields}
          template:
            spec:
              restartPolicy: Never
              containers:
              - name: main
                image: shell
                command: [sh, -c, "{script}"]
        """;
}
