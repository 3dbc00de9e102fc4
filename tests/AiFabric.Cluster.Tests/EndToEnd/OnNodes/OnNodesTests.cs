using AiFabric.Cluster.Tests.RealCluster;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd.OnNodes;

/// <summary>The main job on real Kubernetes: real nodes, the built images, the chart, the samples as they are.</summary>
[Trait("Suite", "e2e")]
[Collection(NodeTests.Name)]
public sealed class OnNodesTests(NodeFabric fabric)
{
    [Fact]
    public async Task The_samples_serve_finetune_and_serve_the_adapter_on_two_nodes()
    {
        Journey journey = await fabric.JourneyAsync();

        Assert.Equal(["node1", "node2"], journey.WorkerNodes.Order(StringComparer.Ordinal));
        Assert.Equal(3, journey.Chats.Count);
        foreach (string chat in journey.Chats)
        {
            string[] events = [.. chat.Split('\n').Where(line => line.StartsWith("data: ", StringComparison.Ordinal))];
            Assert.True(events.Length > 3, chat);
            Assert.Equal("data: [DONE]", events[^1]);
            Assert.Contains("\"finish_reason\":\"", events[^2], StringComparison.Ordinal);
        }
        Assert.Contains("\"model\":\"demo:jargon\"", journey.Chats[1], StringComparison.Ordinal);
        Assert.Contains("coservedmodel.aifabric.io/demo", journey.Resources, StringComparison.Ordinal);
        Assert.Contains("finetunejob.aifabric.io/jargon", journey.Resources, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Webhooks_refuse_what_no_schema_can()
    {
        Journey journey = await fabric.JourneyAsync();
        Assert.Contains("admission webhook \"coservedmodels.validate.aifabric.io\" denied the request", journey.Refusal, StringComparison.Ordinal);
        Assert.Contains("'demo'", journey.Refusal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Uninstalling_the_chart_leaves_the_resources_and_no_deployment()
    {
        Journey journey = await fabric.JourneyAsync();
        foreach (string kept in new[] { "coservedmodel.aifabric.io/demo", "finetunejob.aifabric.io/jargon", "adapter.aifabric.io/jargon" })
            Assert.Contains(kept, journey.ResourcesAfterUninstall, StringComparison.Ordinal);
        Assert.Contains("No resources found", journey.PodsAfterUninstall, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("aifabric-operator")]
    [InlineData("aifabric-gateway")]
    public async Task An_account_may_do_what_its_code_calls_and_nothing_else(string account)
    {
        Journey journey = await fabric.JourneyAsync();
        AuditEvent[] requests = Of(account, journey.Requests);
        Grant[] grants = [.. journey.Grants.Where(grant => grant.Account == account)];
        Assert.NotEmpty(requests);
        Assert.NotEmpty(grants);

        Assert.Empty((string[])
        [
            .. Of(account, journey.RequestsWhileInstalled).Where(request => request.Code == 403).Select(request => $"forbidden: {request.Verb} {request.Uri}").Distinct(),
            .. grants.Where(grant => !requests.Any(grant.IsNeededBy) && !IsRare(grant)).Select(grant => $"never called: {grant}"),
        ]);
    }

    [Fact]
    public void What_is_granted_for_rare_paths_is_called_there()
    {
        foreach (RareGrants.Rare rare in RareGrants.All)
        {
            string source = File.ReadAllText(Path.Combine(ControlPlane.Repository, rare.File));
            Assert.True(source.Contains(rare.Words, StringComparison.Ordinal), $"{rare.File} does not have '{rare.Words}' any more: {rare.Verb} {rare.Resource}");
        }
    }

    private static AuditEvent[] Of(string account, IEnumerable<AuditEvent> requests) =>
        [.. requests.Where(request => request.User == $"system:serviceaccount:{Journey.Space}:{account}")];

    private static bool IsRare(Grant grant) => RareGrants.All.Any(rare =>
        (rare.Account, rare.Group, rare.Resource, rare.Verb) == (grant.Account, grant.Group, grant.Resource, grant.Verb));
}
