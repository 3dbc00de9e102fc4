using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary>A platform engineer's day with the real kubectl and no extra flags, on the real fabric.</summary>
[Collection(FabricTests.Name)]
public sealed class KubectlTests(FabricFixture fabric)
{
    [Fact]
    public async Task Get_describe_and_logs_tell_how_a_model_is()
    {
        await fabric.ModelReadyAsync();
        Assert.Matches(@"demo\s+True\s+1\s", await fabric.KubectlAsync(["get", "csm", "demo"]));
        Assert.Contains("coservedmodel.aifabric.io/demo", await fabric.KubectlAsync(["get", "aifabric", "--no-headers"]), StringComparison.Ordinal);
        string described = await fabric.KubectlAsync(["describe", "coservedmodel", "demo"]);
        Assert.Contains("RouterReady", described, StringComparison.Ordinal);
        Assert.Contains("Events:", described, StringComparison.Ordinal);
        Assert.Contains("Ready after", await fabric.KubectlAsync(["logs", "deployment/demo"]), StringComparison.Ordinal);
        string last = await fabric.KubectlAsync(["logs", "deployment/demo", "--tail=1"]);
        Assert.Single(last.Split('\n'), line => line.StartsWith("20", StringComparison.Ordinal)); // kubectl may say which of several pods it takes.
    }

    [Fact]
    public async Task Scale_adds_a_replica_that_is_counted_once_it_is_routed_to_and_takes_it_away_again()
    {
        await fabric.ModelReadyAsync();
        await fabric.KubectlAsync(["scale", "csm/demo", "--replicas=2"]);
        await UntilReadyAsync(2);
        Assert.Equal(2, (await fabric.RoutesAsync()).Count(route => route.Model == "demo"));
        await fabric.KubectlAsync(["scale", "csm/demo", "--replicas=1"]);
        await UntilReadyAsync(1);
        await fabric.KubectlAsync(["wait", "--for=condition=Ready", "csm/demo", "--timeout=60s"]);
    }

    [Fact]
    public async Task Edit_changes_a_job_and_delete_ends_it()
    {
        string path = fabric.NewPath("edited.yaml");
        await File.WriteAllTextAsync(path, $$"""
            apiVersion: aifabric.io/v1alpha1
            kind: FinetuneJob
            metadata: {name: edited}
            spec:
              suspend: true
              modelRef: {name: demo}
              dataset: {uri: "file://{{FabricFixture.Repository}}/samples/finetune/jargon-train.jsonl"}
              output: {adapterName: edited}
            """);
        await fabric.KubectlAsync(["apply", "-f", path]);
        await fabric.ConditionAsync<FinetuneJob>("edited", FinetuneJobConditions.Suspended, "True");

        await fabric.KubectlAsync(["edit", "finetunejob", "edited"], editor: "sed -i s/backoffLimit:.6/backoffLimit:\\ 3/");
        Assert.Equal(3, (await fabric.Client.GetAsync<FinetuneJob>("edited", FabricFixture.Space))!.Spec.BackoffLimit);
        Assert.Contains("unchanged", await fabric.KubectlAsync(["apply", "-f", path]), StringComparison.Ordinal);

        await fabric.KubectlAsync(["delete", "-f", path]);
        Assert.Null(await fabric.Client.GetAsync<FinetuneJob>("edited", FabricFixture.Space));
    }

    private async Task UntilReadyAsync(int replicas)
    {
        CoServedModelStatus? status = null;
        await FabricFixture.UntilAsync(
            async () =>
            {
                CoServedModel model = (await fabric.Client.GetAsync<CoServedModel>("demo", FabricFixture.Space))!;
                status = model.Status;
                return status.ReadyReplicas == replicas && status.Replicas == replicas && status.ObservedGeneration == model.Metadata.Generation;
            },
            () => $"{replicas} ready replicas; there are {status?.ReadyReplicas} of {status?.Replicas}");
        IReadOnlyList<V1Pod> pods = await fabric.Client.ListAsync<V1Pod>(FabricFixture.Space, "aifabric.io/model=demo");
        Assert.Equal(replicas, pods.Count(pod => pod.Metadata.DeletionTimestamp is null));
    }
}
