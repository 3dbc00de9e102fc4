using AiFabric.Cluster.Tests.RealCluster;
using k8s;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>The operator's own rules say the same as the CEL rules in the CRDs.</summary>
public sealed class CelTests
{
    public static TheoryData<CelCase> Cases { get; } = [.. CelTable.All];

    [Fact]
    public async Task Every_rule_of_the_manifests_is_in_the_table()
    {
        var rules = new List<(string, string, string, string)>();
        foreach (string path in Directory.GetFiles(Path.Combine(ControlPlane.Repository, "crds", "manifests"), "*.yaml"))
            rules.AddRange(CelRules.Of(KubernetesYaml.Deserialize<V1CustomResourceDefinition>(await File.ReadAllTextAsync(path))));
        Assert.NotEmpty(rules);
        Assert.Equal(rules.Distinct().Order(), CelTable.All.Select(one => (one.Kind, one.Path, one.Rule, one.Message)).Distinct().Order());
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_operator_judges_as_the_rule_does(CelCase one)
    {
        Assert.Empty(CelRules.OperatorSays(one.Kind, one.Accepted, one.Before));
        string[] messages = one.Besides is null ? [one.Message] : [one.Besides, one.Message];
        Assert.All(one.Refused, spec => Assert.Equal(messages, CelRules.OperatorSays(one.Kind, spec, one.Before)));
    }
}
