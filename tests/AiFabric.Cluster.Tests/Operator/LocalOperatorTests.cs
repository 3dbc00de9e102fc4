using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Operator;

public sealed class LocalOperatorTests : OperatorTests
{
    private protected override Task<Fabric> StartAsync() => Fabric.StartLocalAsync();

    /// <summary>The manifests are applied without their CEL rules, as on a server that is too old for them: the operator refuses the change itself.</summary>
    protected override async Task ChangeDatasetAsync()
    {
        await PatchDatasetAsync();
        V1Condition accepted = await Fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Accepted, "False", Reasons.InvalidSpec);
        Assert.Contains("dataset is immutable", accepted.Message, StringComparison.Ordinal);
    }
}
