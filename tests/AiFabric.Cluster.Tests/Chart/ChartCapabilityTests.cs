using Xunit;

namespace AiFabric.Cluster.Tests.Chart;

/// <summary>What the cluster knows decides what is rendered; what it lacks is left out, and the notes say so.</summary>
[Trait("Suite", "e2e")]
public sealed class ChartCapabilityTests
{
    private const string Monitoring = "monitoring.coreos.com/v1";

    [Theory]
    [MemberData(nameof(Helm.Versions), MemberType = typeof(Helm))]
    public async Task Monitors_alerts_and_dashboards_come_with_the_prometheus_operator(string version)
    {
        var helm = new Helm(version);
        Assert.Equal(0, Monitors(await helm.TemplateAsync()));
        Assert.Equal(7, Monitors(await helm.TemplateAsync("--api-versions", Monitoring)));
        Assert.Equal(0, Monitors(await helm.TemplateAsync("--api-versions", Monitoring, "--set",
            "monitoring.podMonitors.enabled=false,monitoring.rules.enabled=false,monitoring.dashboards.enabled=false")));
        Assert.Equal(4, Monitors(await helm.TemplateAsync("--set", "monitoring.podMonitors.enabled=true,monitoring.rules.enabled=true")));
    }

    [Theory]
    [MemberData(nameof(Helm.Versions), MemberType = typeof(Helm))]
    public async Task Alerts_can_be_left_out_by_name(string version)
    {
        IReadOnlyList<Rendered> objects = await new Helm(version).TemplateAsync(
            "--set", "monitoring.rules.enabled=true,monitoring.rules.disabled={AiFabricStreamsLost}");
        string rules = Assert.Single(objects, document => document.Kind == "PrometheusRule").Text;
        Assert.DoesNotContain("AiFabricStreamsLost", rules, StringComparison.Ordinal);
        Assert.Contains("{{ $labels.controller }}", rules, StringComparison.Ordinal); // Prometheus' own templates stay.
    }

    [Theory]
    [MemberData(nameof(Helm.Versions), MemberType = typeof(Helm))]
    public async Task A_cluster_older_than_the_oldest_supported_is_refused(string version)
    {
        string said = await new Helm(version).RunAsync(["template", "aifabric", Helm.Chart, "--kube-version", "1.19.0"], exitCode: 1);
        Assert.Contains("1.19.0", said, StringComparison.Ordinal);
        await new Helm(version).TemplateAsync("--kube-version", "1.20.0");
    }

    [Theory]
    [MemberData(nameof(Helm.Versions), MemberType = typeof(Helm))]
    public async Task A_single_replica_gets_no_disruption_budget_that_would_block_every_drain(string version)
    {
        IReadOnlyList<Rendered> objects = await new Helm(version).TemplateAsync("--set", "operator.replicas=1");
        Assert.Equal("aifabric-gateway", Assert.Single(objects, document => document.Kind == "PodDisruptionBudget").Name);
        Assert.Equal("policy/v1", objects.Single(document => document.Kind == "PodDisruptionBudget").At("apiVersion"));
    }

    [Theory]
    [MemberData(nameof(Helm.Versions), MemberType = typeof(Helm))]
    public async Task Pods_that_are_not_ready_may_be_evicted_where_the_cluster_knows_how(string version)
    {
        var helm = new Helm(version);
        Assert.Equal((null, true), await EvictionAsync(helm, "--kube-version", "1.26.9"));
        Assert.Equal(("AlwaysAllow", false), await EvictionAsync(helm, "--kube-version", "1.27.0"));
        Assert.Equal(("AlwaysAllow", false), await EvictionAsync(helm, "--kube-version", "v1.27.3-eks-a5565ad"));
    }

    [Theory]
    [MemberData(nameof(Helm.Versions), MemberType = typeof(Helm))]
    public async Task A_route_comes_with_the_gateway_api_or_when_it_is_asked_for(string version)
    {
        const string Parent = "gateway.httpRoute.parentRefs[0].name=public,gateway.httpRoute.enabled=";
        var helm = new Helm(version);
        Assert.Equal(0, Routes(await helm.TemplateAsync()));
        Assert.Equal(0, Routes(await helm.TemplateAsync("--set", Parent + "auto")));
        Assert.Equal(1, Routes(await helm.TemplateAsync("--set", Parent + "auto", "--api-versions", "gateway.networking.k8s.io/v1")));
        Assert.Equal(1, Routes(await helm.TemplateAsync("--set", Parent + "true")));
    }

    /// <summary>The policy of the chart's budgets, and whether the operator is told to leave it out of models'.</summary>
    private static async Task<(string? Policy, bool LeftOut)> EvictionAsync(Helm helm, params string[] arguments)
    {
        IReadOnlyList<Rendered> objects = await helm.TemplateAsync(arguments);
        IEnumerable<string?> policies = objects.Where(document => document.Kind == "PodDisruptionBudget")
            .Select(budget => budget.At("spec", "unhealthyPodEvictionPolicy"));
        Rendered operators = objects.Single(document => document is { Kind: "Deployment", Name: "aifabric-operator" });
        return (Assert.Single(policies.Distinct()), operators.Text.Contains("{name: Operator__EvictUnreadyPods, value: \"false\"}", StringComparison.Ordinal));
    }

    private static int Routes(IReadOnlyList<Rendered> objects) => objects.Count(document => document.Kind == "HTTPRoute");

    private static int Monitors(IReadOnlyList<Rendered> objects) => objects.Count(document =>
        document.Kind is "PodMonitor" or "PrometheusRule" || document.Name.Contains("-dashboard-", StringComparison.Ordinal));
}
