using Xunit;

namespace AiFabric.Cluster.Tests.LocalCluster.ApiServer;

/// <summary>What a person does with kubectl, without any extra flag. Each test runs as written against a real server too.</summary>
public sealed class KubectlTests
{
    private const string Widget = """
        apiVersion: example.io/v1alpha1
        kind: Widget
        metadata: {name: one, labels: {app: x}}
        spec: {size: 3, parts: [{name: a, count: 1}]}
        """;

    private static readonly string Definition = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "LocalCluster", "ApiServer", "widgets.yaml"));

    [Fact]
    public async Task Custom_resources_are_applied_read_changed_and_deleted()
    {
        await using var cluster = await DefinedAsync();
        Assert.Contains("created", await cluster.KubectlAsync("apply -f -", Widget), StringComparison.Ordinal);
        Assert.Contains("unchanged", await cluster.KubectlAsync("apply -f -", Widget), StringComparison.Ordinal);
        Assert.Matches(@"NAME\s+POLICY\s+READY\s+AGE\s+one\s+InferenceFirst\s+\d+s", await cluster.KubectlAsync("get wd"));
        Assert.Matches("default +one", await cluster.KubectlAsync("get fabric -A -o wide"));
        Assert.Equal("3", await cluster.KubectlAsync("get widget one -o jsonpath='{.spec.size}'"));
        Assert.Contains("Size:      3", await cluster.KubectlAsync("describe widgets/one"), StringComparison.Ordinal);
        await cluster.KubectlAsync("""patch wd one --type merge -p '{"spec":{"size":4}}'""");
        await cluster.KubectlAsync("""patch wd one --type json -p '[{"op":"replace","path":"/spec/size","value":5}]'""");
        await cluster.KubectlAsync("edit wd one");
        await cluster.KubectlAsync("label wd one tier=front");
        await cluster.KubectlAsync("annotate wd one note=yes");
        await cluster.KubectlAsync("scale wd one --replicas=3");
        Assert.Equal("6 3 front", await cluster.KubectlAsync("get wd -l tier=front -o jsonpath='{.items[0].spec.size} {.items[0].spec.replicas} {.items[0].metadata.labels.tier}'"));
        await cluster.KubectlAsync("""patch wd one --subresource=status --type merge -p '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'""");
        await cluster.KubectlAsync("wait --for=condition=Ready wd/one --timeout=10s");
        await cluster.KubectlAsync("delete wd one");
        Assert.Contains("not found", await cluster.KubectlAsync("get wd one", exitCode: 1), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bad_resources_are_refused_with_the_field_and_the_reason()
    {
        await using var cluster = await DefinedAsync();
        Assert.Contains("unknown field \"spec.foo\"", await cluster.KubectlAsync("apply -f -", Widget.Replace("size: 3", "size: 3, foo: 1", StringComparison.Ordinal), 1), StringComparison.Ordinal);
        Assert.Contains(
            "spec.policy: Unsupported value: \"x\": supported values: \"InferenceFirst\", \"WeightedFair\"",
            await cluster.KubectlAsync("apply -f -", Widget.Replace("size: 3", "size: 3, policy: x", StringComparison.Ordinal), 1), StringComparison.Ordinal);
        Assert.Contains("spec.size", await cluster.KubectlAsync("apply -f -", Widget.Replace("size: 3", "size: 0", StringComparison.Ordinal), 1), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_side_apply_reports_conflicts_and_can_force()
    {
        await using var cluster = await DefinedAsync();
        await cluster.KubectlAsync("apply --server-side -f -", Widget);
        await cluster.KubectlAsync("""patch wd one --type merge -p '{"spec":{"size":4}}'""");
        Assert.Contains("conflict with \"kubectl-patch\"", await cluster.KubectlAsync("apply --server-side -f -", Widget, 1), StringComparison.Ordinal);
        await cluster.KubectlAsync("apply --server-side --force-conflicts -f -", Widget);
        Assert.Equal("3", await cluster.KubectlAsync("get wd one -o jsonpath='{.spec.size}'"));
    }

    [Fact]
    public async Task Built_in_kinds_are_created_explained_and_reviewed()
    {
        await using var cluster = await KubectlCluster.StartAsync();
        Assert.Contains("default", await cluster.KubectlAsync("get namespaces"), StringComparison.Ordinal);
        Assert.Contains("deployments", await cluster.KubectlAsync("api-resources"), StringComparison.Ordinal);
        Assert.Contains("Server Version", await cluster.KubectlAsync("version"), StringComparison.Ordinal);
        Assert.StartsWith("yes", await cluster.KubectlAsync("auth can-i create pods"), StringComparison.Ordinal);
        Assert.Contains("containers", await cluster.KubectlAsync("explain pod.spec"), StringComparison.Ordinal);
        await cluster.KubectlAsync("create configmap c --from-literal=a=b");
        await cluster.KubectlAsync("create secret generic s --from-literal=a=b");
        await cluster.KubectlAsync("create deployment d --image=x --replicas=2");
        await cluster.KubectlAsync("scale deployment d --replicas=3");
        await cluster.KubectlAsync("set image deployment/d x=y:1");
        await cluster.KubectlAsync("expose deployment d --port=80");
        Assert.Equal("3 y:1", await cluster.KubectlAsync("get deployment d -o jsonpath='{.spec.replicas} {.spec.template.spec.containers[0].image}'"));
        Assert.Matches("d +ClusterIP +127.96", await cluster.KubectlAsync("get services"));
        await cluster.KubectlAsync("""patch deployment d -p '{"spec":{"template":{"spec":{"containers":[{"name":"x","env":[{"name":"A","value":"1"}]}]}}}}'""");
        Assert.Equal("y:1 A", await cluster.KubectlAsync("get deployment d -o jsonpath='{.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env[0].name}'"));
    }

    [Fact]
    public async Task Deleting_a_namespace_deletes_what_is_in_it()
    {
        await using var cluster = await KubectlCluster.StartAsync();
        await cluster.KubectlAsync("create namespace n");
        await cluster.KubectlAsync("-n n create configmap c --from-literal=a=b");
        await cluster.KubectlAsync("delete namespace n --timeout=20s");
        Assert.Contains("not found", await cluster.KubectlAsync("-n n create configmap c --from-literal=a=b", exitCode: 1), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Everything_survives_a_restart()
    {
        await using var cluster = await DefinedAsync();
        await cluster.KubectlAsync("apply -f -", Widget);
        var before = await cluster.KubectlAsync("get wd one -o yaml");
        await cluster.RestartAsync();
        Assert.Equal(before, await cluster.KubectlAsync("get wd one -o yaml"));
        Assert.Contains("unchanged", await cluster.KubectlAsync("apply -f -", Widget), StringComparison.Ordinal);
    }

    private static async Task<KubectlCluster> DefinedAsync()
    {
        var cluster = await KubectlCluster.StartAsync();
        await cluster.KubectlAsync("apply -f -", Definition);
        await cluster.KubectlAsync("wait --for=condition=Established crd/widgets.example.io --timeout=10s");
        return cluster;
    }
}
