using AiFabric.Crds.CoServedModels;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary>A real model that follows its demand on the real fabric: from nothing to one, to two and back.</summary>
[Collection(FabricTests.Name)]
public sealed class ScalingTests(FabricFixture fabric)
{
    private const string Name = "sleeper";
    private const string Operator = "app.kubernetes.io/component=operator";

    [Fact]
    public async Task A_model_wakes_for_a_chat_grows_with_the_demand_and_sleeps_again()
    {
        await DeclareAsync(delaySeconds: 5, targetRequests: 2);
        try
        {
            await fabric.ConditionAsync<CoServedModel>(Name, CoServedModelConditions.Ready, "True", "ScaledToZero");
            Assert.Empty(await PodsAsync());

            Assert.Equal("[DONE]", (await fabric.ChatAsync(Name))[^1]);
            Assert.Single(await PodsAsync());

            // Ten at a time, each again as soon as it has ended, until a second replica is routed to.
            using var enough = new CancellationTokenSource();
            Task<int>[] clients = [.. Enumerable.Range(0, 10).Select(_ => ChatOnAsync(enough.Token))];
            await FabricFixture.UntilAsync(
                async () => (await fabric.RoutesAsync()).Count(route => route.Model == Name) == 2, () => "a second replica to be routed to");
            CoServedModel grown = (await fabric.Client.GetAsync<CoServedModel>(Name, FabricFixture.Space))!; // declared above
            Assert.True(grown.Status.Replicas <= 2, $"{grown.Status.Replicas} replicas, maxReplicas is 2");
            await enough.CancelAsync();
            Assert.All(await Task.WhenAll(clients), chats => Assert.True(chats > 0));

            await fabric.ConditionAsync<CoServedModel>(Name, CoServedModelConditions.Ready, "True", "ScaledToZero");
            await FabricFixture.UntilAsync(async () => (await PodsAsync()).Count == 0, () => "the last pod to go");
            Assert.Contains(
                await fabric.Client.ListAsync<Corev1Event>(FabricFixture.Space),
                told => told.InvolvedObject.Name == Name && told.Reason == "SuccessfulRescale" && told.Message.StartsWith("from 0 to ", StringComparison.Ordinal));
        }
        finally
        {
            await ForgetAsync();
        }
    }

    [Fact]
    public async Task A_request_held_while_the_operator_is_killed_is_served_when_it_is_back()
    {
        await DeclareAsync(delaySeconds: 60, targetRequests: 2);
        try
        {
            await fabric.ConditionAsync<CoServedModel>(Name, CoServedModelConditions.Ready, "True", "ScaledToZero");
            Task<ContainerRun> killed = fabric.Processes.KillAsync("aifabric-system", Operator);
            Task<IReadOnlyList<string>> chat = fabric.ChatAsync(Name);
            await killed;
            Assert.Equal("[DONE]", (await chat)[^1]);
        }
        finally
        {
            await ForgetAsync();
        }
    }

    private Task<CoServedModel> DeclareAsync(int delaySeconds, int targetRequests)
    {
        CoServedModel model = FabricFixture.NewModel(Name, FabricFixture.DemoModel);
        model.Spec.Replicas = null;
        model.Spec.Scaling = new ScalingSpec { MinReplicas = 0, MaxReplicas = 2, TargetRequests = targetRequests, ScaleDownDelaySeconds = delaySeconds };
        return fabric.Client.CreateAsync(model);
    }

    private async Task ForgetAsync()
    {
        await fabric.Client.DeleteAsync<CoServedModel>(Name, FabricFixture.Space);
        await FabricFixture.UntilAsync(async () => (await PodsAsync()).Count == 0, () => "the pods of the deleted model to go");
    }

    private async Task<int> ChatOnAsync(CancellationToken enough)
    {
        int chats = 0;
        for (; !enough.IsCancellationRequested; chats++)
            Assert.Equal("[DONE]", (await fabric.ChatAsync(Name))[^1]);
        return chats;
    }

    private async Task<IReadOnlyList<V1Pod>> PodsAsync() =>
        [.. await fabric.Client.ListAsync<V1Pod>(FabricFixture.Space, $"aifabric.io/model={Name}")];
}
