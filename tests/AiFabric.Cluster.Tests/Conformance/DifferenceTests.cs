using AiFabric.Cluster.Tests.RealCluster;
using Xunit;

namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>The local API server answers as a real one does, except where <c>docs/local-cluster.md</c> says why not.</summary>
[Trait("Suite", "e2e")]
[Collection(RealClusterTests.Name)]
public sealed class DifferenceTests(RealClusterFixture cluster, LocalApi local) : IClassFixture<LocalApi>
{
    public static TheoryData<string> Scenarios { get; } = [.. Scenario.All.Keys];

    [Theory]
    [MemberData(nameof(Scenarios))]
    public async Task Both_servers_answer_alike(string name)
    {
        using HttpEndpoint real = HttpEndpoint.Of(cluster.Plane.Kubeconfig), ours = HttpEndpoint.Of(local.Kubeconfig);
        await Gadgets.DefineAsync(real);
        Scenario scenario = Scenario.All[name];
        IReadOnlyList<string>[] answers = await Task.WhenAll(new ScenarioRunner(real).PlayAsync(scenario), new ScenarioRunner(ours).PlayAsync(scenario));
        var trouble = new List<string>();
        foreach (Step step in scenario.Steps)
        {
            (string expected, string actual) = (answers[0][step.Number - 1], answers[1][step.Number - 1]);
            string label = $"{name}/{step.Number}";
            if (expected != actual && !AllowedDifferences.Steps.Contains(label))
                trouble.Add($"{label}: {step.Method} {step.Path}\n--- real\n{expected}\n--- local\n{actual}");
            else if (expected == actual && AllowedDifferences.Steps.Contains(label))
                trouble.Add($"{label} differs no more: take it out of the table in docs/local-cluster.md");
        }
        Assert.True(trouble.Count == 0, string.Join("\n\n", trouble));
    }
}
