using System.Text.Json.Nodes;
using AiFabric.Cluster.Tests.Load;
using AiFabric.Crds.CoServedModels;
using AiFabric.Protocol.Gateway;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary>Replicas come and go under load, and no client notices.</summary>
[Collection(FabricTests.Name)]
public sealed class RolloutTests(FabricFixture fabric, ITestOutputHelper output)
{
    private const string Label = "aifabric.io/model=";
    private const int Replicas = 3;

    [Fact]
    public async Task A_rolling_upgrade_under_load_fails_no_request_and_never_counts_a_pod_before_it_is_routed()
    {
        await ServeAsync("rolling");
        string before = (await ModelAsync("rolling")).Status.Revision!; // It is ready.
        using var load = new StreamLoad(fabric.Gateway, "rolling", maxTokens: 24);
        bool rolledOut = false;
        Task<LoadResult> streams = load.RunAsync(
            concurrency: 4, number => number < 200 || !Volatile.Read(ref rolledOut), TestContext.Current.CancellationToken);

        await fabric.Client.PatchAsync<CoServedModel>("rolling", FabricFixture.Space, Template("note", "second"));
        int most = 0;
        await FabricFixture.UntilAsync(
            async () =>
            {
                CoServedModel model = await SampleAsync("rolling");
                most = Math.Max(most, model.Status.UpdatedReplicas ?? 0);
                return model.Status.Revision != before && IsReady(model);
            },
            () => $"the rollout to end; at most {most} updated replicas were seen", seconds: 240);
        Volatile.Write(ref rolledOut, true);

        LoadResult result = await streams;
        output.WriteLine(result.ToString());
        Assert.True(result.Streams.Count >= 200 && result.Failures.Count == 0, result.ToString());
        Assert.Equal(Replicas, (await ModelAsync("rolling")).Status.UpdatedReplicas);
        await RemoveAsync("rolling");
    }

    [Fact]
    public async Task The_streams_of_a_deleted_pod_run_to_their_end()
    {
        await ServeAsync("deleted");
        using var load = new StreamLoad(fabric.Gateway, "deleted", maxTokens: 400);
        Task<LoadResult> streams = await OpenAsync(load, 2 * Replicas);
        V1Pod pod = (await fabric.Client.ListAsync<V1Pod>(FabricFixture.Space, Label + "deleted"))[0];

        await fabric.KubectlAsync(["delete", "pod", pod.Metadata.Name, "--wait=false"]);

        await FabricFixture.UntilAsync(
            async () => (await fabric.RoutesAsync()).All(route => route.PodUid != pod.Metadata.Uid), () => "the pod to leave the routes", seconds: 5);
        int running = 2 * Replicas - load.Ended;
        LoadResult result = await streams;
        output.WriteLine($"{running} streams ran when the pod had left the routes; {result}");
        Assert.True(running > 0 && result.Failures.Count == 0, result.ToString());
        await RemoveAsync("deleted");
    }

    [Fact]
    public async Task A_killed_worker_loses_its_own_running_streams_with_a_final_error_and_nothing_else()
    {
        await ServeAsync("killed");
        using var running = new StreamLoad(fabric.Gateway, "killed", maxTokens: 400);
        using var arriving = new StreamLoad(fabric.Gateway, "killed", maxTokens: 4);
        Task<LoadResult> streams = await OpenAsync(running, 2 * Replicas);
        Task<LoadResult> others = arriving.RunAsync(2, number => number < 40, TestContext.Current.CancellationToken);

        ContainerRun victim = await fabric.Processes.KillOneAsync(Label + "killed");

        LoadResult lost = await streams, unstarted = await others;
        output.WriteLine($"running: {lost}; arriving: {unstarted}");
        Assert.Equal((2, 2 * Replicas - 2), (lost.Of(StreamEnding.ErrorEvent), lost.Of(StreamEnding.Complete)));
        Assert.All(lost.Failures, stream => Assert.StartsWith("worker_lost", stream.Error, StringComparison.Ordinal));
        // One that the dead worker had begun to answer is lost as well; none that it had not.
        Assert.True(unstarted.Failures.All(stream => stream.Tokens > 0 && stream.Ending == StreamEnding.ErrorEvent), unstarted.ToString());
        await FabricFixture.UntilAsync(
            async () => await fabric.Processes.RestartsAsync(victim.Pod) > 0 && IsReady(await ModelAsync("killed")), () => $"{victim} to be back");
        await SampleAsync("killed");
        await RemoveAsync("killed");
    }

    private async Task ServeAsync(string name)
    {
        CoServedModel model = FabricFixture.NewModel(name, FabricFixture.DemoModel);
        model.Spec.Replicas = Replicas;
        await fabric.Client.CreateAsync(model);
        await FabricFixture.UntilAsync(async () => IsReady(await SampleAsync(name)), () => $"{name} to be ready", seconds: 180);
    }

    /// <summary>Opens so many streams at once and waits until all have their first token.</summary>
    /// <returns>Their ends.</returns>
    private static async Task<Task<LoadResult>> OpenAsync(StreamLoad load, int streams)
    {
        Task<LoadResult> running = load.RunAsync(streams, number => number < streams, TestContext.Current.CancellationToken);
        await FabricFixture.UntilAsync(() => Task.FromResult(load.Begun == streams || running.IsCompleted), () => $"{streams} streams; {load.Begun} have begun");
        return running;
    }

    /// <summary>Looks at status and routes together; what the status says must be true of the routes.</summary>
    private async Task<CoServedModel> SampleAsync(string name)
    {
        CoServedModel model = await ModelAsync(name);
        RouteEntry[] routes = [.. (await fabric.RoutesAsync()).Where(route => route.Model == name)];
        V1Pod[] pods = [.. await fabric.Client.ListAsync<V1Pod>(FabricFixture.Space, Label + name)];
        CoServedModel after = await ModelAsync(name);
        if (after.Metadata.ResourceVersion != model.Metadata.ResourceVersion || model.Status?.Revision is null)
            return after; // It changed meanwhile: nothing can be said.
        int routed = routes.Count(route => route.Revision == model.Status.Revision);
        Assert.True(model.Status.UpdatedReplicas <= routed, $"{model.Status.UpdatedReplicas} updated replicas, yet the gateway routes to {routed}");
        if (IsReady(model))
        {
            Assert.All(routes, route => Assert.Contains(pods, pod => pod.Metadata.Uid == route.PodUid && pod.Metadata.DeletionTimestamp is null));
            Assert.Equal(Replicas, routed);
        }
        return model;
    }

    private async Task<CoServedModel> ModelAsync(string name) =>
        await fabric.Client.GetAsync<CoServedModel>(name, FabricFixture.Space) ?? throw new InvalidOperationException($"{name} is gone");

    /// <summary>Ready, and of the spec as it stands.</summary>
    private static bool IsReady(CoServedModel model) =>
        model.Status?.ObservedGeneration == model.Metadata.Generation
        && model.Status?.Conditions?.Any(c => c is { Type: CoServedModelConditions.Ready, Status: "True" }) == true;

    private static JsonObject Template(string annotation, string value) => new()
    {
        ["spec"] = new JsonObject
        {
            ["template"] = new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [annotation] = value } } },
        },
    };

    private async Task RemoveAsync(string name)
    {
        await fabric.Client.DeleteAsync<CoServedModel>(name, FabricFixture.Space);
        await FabricFixture.UntilAsync(
            async () => (await fabric.Client.ListAsync<V1Pod>(FabricFixture.Space, Label + name)).Count == 0, () => $"the pods of {name} to go");
    }
}
