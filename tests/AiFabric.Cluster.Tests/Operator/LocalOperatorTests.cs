using System.Text.Json.Nodes;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Operator;

public sealed partial class LocalOperatorTests : OperatorTests
{
    private protected override Task<Fabric> StartAsync() => Fabric.StartLocalAsync();

    /// <summary>The manifests are applied without their CEL rules, as on a server that is too old for them: the operator refuses the change itself.</summary>
    protected override async Task ChangeDatasetAsync()
    {
        await PatchDatasetAsync();
        V1Condition accepted = await Fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Accepted, "False", Reasons.InvalidSpec);
        Assert.Contains("dataset is immutable", accepted.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_disruption_budget_comes_with_the_second_replica_and_goes_with_it()
    {
        await Fabric.CreateModelAsync(replicas: 2);
        await Fabric.WaitAsync(async () => await BudgetAsync() is not null, () => "a PodDisruptionBudget");
        V1PodDisruptionBudgetSpec budget = (await BudgetAsync())!.Spec; // It was seen to be there.
        Assert.Equal(("1", "AlwaysAllow"), (budget.MaxUnavailable.Value, budget.UnhealthyPodEvictionPolicy));
        await Fabric.Client.DeleteAsync<V1PodDisruptionBudget>("demo", Fabric.Space);
        await Fabric.WaitAsync(async () => await BudgetAsync() is not null, () => "a deleted PodDisruptionBudget to be back");
        await Fabric.Client.PatchAsync<CoServedModel>("demo", Fabric.Space, new JsonObject { ["spec"] = new JsonObject { ["replicas"] = 1 } });
        await Fabric.WaitAsync(async () => await BudgetAsync() is null, () => "the PodDisruptionBudget to go");

        Task<V1PodDisruptionBudget?> BudgetAsync() => Fabric.Client.GetAsync<V1PodDisruptionBudget>("demo", Fabric.Space);
    }
}
