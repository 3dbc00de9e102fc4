using AiFabric.Cluster.Tests.RealCluster;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace AiFabric.Cluster.Tests.Chart;

/// <summary>What the chart renders, the same with both Helms.</summary>
[Trait("Suite", "e2e")]
public sealed class ChartTemplateTests
{
    private static readonly string Golden = Path.Combine(ControlPlane.Repository, "tests", "golden", "chart");

    public static TheoryData<string, string> Goldens => new MatrixTheoryData<string, string>(["3.17", "4.1"], ["default", "namespaced", "everything"]);

    [Theory]
    [MemberData(nameof(Helm.Versions), MemberType = typeof(Helm))]
    public async Task Lint_finds_nothing(string version)
    {
        string said = await new Helm(version).RunAsync(["lint", "--strict", Helm.Chart]);
        Assert.Contains("0 chart(s) failed", said, StringComparison.Ordinal);
        Assert.DoesNotContain("[WARNING]", said, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Goldens))]
    public async Task Objects_are_those_of_the_golden_file(string version, string name)
    {
        IReadOnlyList<Rendered> objects = await new Helm(version).TemplateAsync("--values", Path.Combine(Golden, name + ".values.yaml"));
        string text = string.Join("---\n", objects.Select(document => document.Text)), path = Path.Combine(Golden, name + ".yaml");
        if (Environment.GetEnvironmentVariable("AIFABRIC_UPDATE_GOLDEN") == "1")
            await File.WriteAllTextAsync(path, text, TestContext.Current.CancellationToken);
        Assert.Equal(await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken), text);
    }

    [Theory]
    [MemberData(nameof(Helm.Versions), MemberType = typeof(Helm))]
    public async Task Pods_keep_to_the_restricted_standard(string version)
    {
        foreach (Rendered deployment in (await new Helm(version).TemplateAsync()).Where(document => document.Kind == "Deployment"))
        {
            object[] pod = ["spec", "template", "spec"], container = [.. pod, "containers", 0, "securityContext"];
            Assert.Equal("true", deployment.At([.. pod, "securityContext", "runAsNonRoot"]));
            Assert.Equal("RuntimeDefault", deployment.At([.. pod, "securityContext", "seccompProfile", "type"]));
            Assert.Equal("false", deployment.At([.. container, "allowPrivilegeEscalation"]));
            Assert.Equal("true", deployment.At([.. container, "readOnlyRootFilesystem"]));
            Assert.Equal("ALL", deployment.At([.. container, "capabilities", "drop", 0]));
            Assert.All(((YamlSequenceNode)deployment.Node([.. pod, "volumes"])!).Children, // There is always /tmp.
                volume => Assert.DoesNotContain("hostPath", ((YamlMappingNode)volume).Children.Keys.Select(key => key.ToString())));
        }
    }

    [Theory]
    [MemberData(nameof(Helm.Versions), MemberType = typeof(Helm))]
    public async Task A_single_gateway_gives_its_disk_back_before_its_successor_takes_it(string version)
    {
        Assert.Equal("Recreate", await StrategyAsync("gateway.replicas=1,gateway.files.claimName=files"));
        Assert.Equal("Recreate", await StrategyAsync("gateway.replicas=1,gateway.runs.claimName=runs"));
        Assert.Null(await StrategyAsync("gateway.replicas=1"));
        Assert.Null(await StrategyAsync("gateway.replicas=2,gateway.files.claimName=files"));

        async Task<string?> StrategyAsync(string set) => (await new Helm(version).TemplateAsync("--set", set))
            .Single(document => document is { Kind: "Deployment", Name: "aifabric-gateway" }).At("spec", "strategy", "type");
    }

    [Theory]
    [MemberData(nameof(Helm.Versions), MemberType = typeof(Helm))]
    public async Task Namespaced_mode_renders_nothing_outside_of_the_namespace(string version)
    {
        IReadOnlyList<Rendered> objects = await new Helm(version).TemplateAsync("--set", "scope=namespace,webhooks.enabled=auto");
        Assert.Contains(objects, document => document.Kind == "Role");
        Assert.All(objects, document => Assert.Equal("aifabric-system", document.At("metadata", "namespace")));
    }

    [Theory]
    [MemberData(nameof(Helm.Versions), MemberType = typeof(Helm))]
    public async Task The_gateways_internal_port_is_open_to_those_who_have_business_there(string version)
    {
        Assert.Equal(["operator"], await PeersAsync(""));
        Assert.Equal(["operator", "aifabric-worker"], await PeersAsync(",gateway.files.claimName=files"));
        Assert.Equal(["operator", "prometheus"], await PeersAsync(",networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus"));

        async Task<IEnumerable<string>> PeersAsync(string set)
        {
            IReadOnlyList<Rendered> objects = await new Helm(version).TemplateAsync("--set", "networkPolicy.enabled=true" + set);
            Rendered policy = objects.Single(document => document is { Kind: "NetworkPolicy", Name: "aifabric-gateway" });
            return from rule in Enumerable.Range(0, ((YamlSequenceNode)policy.Node("spec", "ingress")!).Children.Count) // Clients are always let in.
                   where policy.At("spec", "ingress", rule, "ports", 0, "port") == "8081"
                   select new[] { "app.kubernetes.io/component", "app.kubernetes.io/name", "app" }
                       .Select(label => policy.At("spec", "ingress", rule, "from", 0, "podSelector", "matchLabels", label)).OfType<string>().FirstOrDefault("everyone");
        }
    }

    [Theory]
    [MemberData(nameof(Helm.Versions), MemberType = typeof(Helm))]
    public async Task Dashboards_are_carried_as_they_are(string version)
    {
        IReadOnlyList<Rendered> objects = await new Helm(version).TemplateAsync("--set", "monitoring.dashboards.enabled=true");
        foreach (string file in Directory.GetFiles(Path.Combine(Helm.Chart, "dashboards")))
        {
            string name = Path.GetFileName(file);
            Rendered map = Assert.Single(objects, document => document.Name == "aifabric-dashboard-" + Path.GetFileNameWithoutExtension(file));
            Assert.Equal((await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken)).Trim(), map.At("data", name)?.Trim());
            Assert.Equal("1", map.At("metadata", "labels", "grafana_dashboard"));
        }
    }
}
