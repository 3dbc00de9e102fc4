using System.Text;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Chart;

/// <summary>The life of a release on a real control plane: install, upgrade, rollback, uninstall, install again over what was kept.</summary>
[Trait("Suite", "e2e")]
[Collection(ChartClusterTests.Name)]
public sealed class ChartInstallTests(ChartCluster cluster) : IAsyncLifetime
{
    private const string Release = "aifabric";

    // Of nothing that webhooks would do is anything tested here, and nobody answers them without nodes.
    private const string Values = "webhooks.failurePolicy=Ignore,webhooks.timeoutSeconds=1,gateway.httpRoute.enabled=auto";

    private static readonly string[] Definitions = ["adapters.aifabric.io", "coservedmodels.aifabric.io", "finetunejobs.aifabric.io", "pipelines.aifabric.io"];

    // The 1.20 core's OpenAPI document does not know x-kubernetes-validations, which the 1.36 custom-resource server behind it does.
    private static readonly string[] Common =
        ["--namespace", ChartCluster.Namespace, "--wait", "--timeout", "90s", "--disable-openapi-validation"];

    private IKubernetesClient Client => cluster.Plane.Client;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <summary>Whatever a failed test left, the next begins without a release.</summary>
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await new Helm("3.17").RunAsync(cluster.Plane, ["uninstall", Release, "--namespace", ChartCluster.Namespace, "--ignore-not-found", "--wait"]);
    }

    [Theory]
    [MemberData(nameof(Helm.Versions), MemberType = typeof(Helm))]
    public async Task A_release_is_installed_upgraded_rolled_back_and_uninstalled_without_loss(string version)
    {
        var helm = new Helm(version);
        string notes = await helm.RunAsync(cluster.Plane, ["install", Release, Helm.Chart, "--create-namespace", .. Common, "--set", Values]);
        Assert.Contains("PodDisruptionBudgets are policy/v1beta1: the cluster has no policy/v1", notes, StringComparison.Ordinal);
        Assert.Contains("Monitors, alerts and dashboards are left out", notes, StringComparison.Ordinal);
        Assert.Contains("The HTTPRoute is left out", notes, StringComparison.Ordinal);
        await ReadyAsync("aifabric-operator", 2);
        await ReadyAsync("aifabric-gateway", 2);
        await cluster.Plane.ServedAsync();
        string model = "kept-" + version.Replace('.', '-');
        await CreateModelAsync(model);
        await TrustAsync("authority");

        DirectoryInfo changed = ChangedChart();
        await helm.RunAsync(cluster.Plane, ["upgrade", Release, changed.FullName, .. Common, "--set", Values + ",gateway.replicas=3"]);
        await ReadyAsync("aifabric-gateway", 3);
        Assert.Contains("A changed description.", await DescriptionAsync(), StringComparison.Ordinal);
        Assert.Equal("authority", await TrustedAsync());

        await helm.RunAsync(cluster.Plane, ["rollback", Release, "1", "--namespace", ChartCluster.Namespace, "--wait", "--timeout", "90s"]);
        await ReadyAsync("aifabric-gateway", 2);
        Assert.DoesNotContain("A changed description.", await DescriptionAsync(), StringComparison.Ordinal);
        Assert.Equal("authority", await TrustedAsync());

        await helm.RunAsync(cluster.Plane, ["uninstall", Release, "--namespace", ChartCluster.Namespace, "--wait"]);
        Assert.NotNull(await Client.GetAsync<CoServedModel>(model, "default"));
        Assert.Equal(Definitions, (await Client.ListAsync<V1CustomResourceDefinition>()).Select(definition => definition.Metadata.Name).Order(StringComparer.Ordinal));
        await NothingElseIsLeftAsync();
        changed.Delete(recursive: true);
    }

    [Fact]
    public async Task A_release_of_helm_3_is_taken_over_by_helm_4()
    {
        await new Helm("3.17").RunAsync(cluster.Plane, ["install", Release, Helm.Chart, "--create-namespace", .. Common, "--set", Values]);
        await TrustAsync("authority");
        await new Helm("4.1").RunAsync(cluster.Plane, ["upgrade", Release, Helm.Chart, .. Common, "--set", Values + ",gateway.replicas=1"]);
        await ReadyAsync("aifabric-gateway", 1);
        Assert.Equal("authority", await TrustedAsync());
    }

    [Fact]
    public async Task Namespaced_mode_is_installed_by_someone_with_rights_in_the_namespace_alone()
    {
        await cluster.Plane.KubectlAsync(["create", "namespace", "tenant"]);
        await cluster.Plane.KubectlAsync(["create", "serviceaccount", "tenant-admin", "--namespace", "tenant"]);
        // No Role may grant more than its author holds: beyond the built-in role admin the author needs what the operator does.
        await cluster.Plane.KubectlAsync(["apply", "-f", "-"], TenantRights);
        await new Helm("4.1").RunAsync(
            cluster.Plane,
            ["install", "own", Helm.Chart, "--namespace", "tenant", "--kube-as-user", "system:serviceaccount:tenant:tenant-admin",
                "--set", "scope=namespace,crds.install=false", "--disable-openapi-validation"]);
        Assert.NotNull(await Client.GetAsync<V1Deployment>("own-aifabric-operator", "tenant"));
        await new Helm("4.1").RunAsync(cluster.Plane, ["uninstall", "own", "--namespace", "tenant"]);
    }

    private const string TenantRights = """
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: tenant-admin, namespace: tenant}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
        subjects: [{kind: ServiceAccount, name: tenant-admin, namespace: tenant}]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata: {name: fabric-author, namespace: tenant}
        rules:
          - {apiGroups: [aifabric.io], resources: ["*"], verbs: ["*"]}
          - {apiGroups: [""], resources: [events, pods/status], verbs: [create, patch]}
          - {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, create, update]}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: fabric-author, namespace: tenant}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: fabric-author}
        subjects: [{kind: ServiceAccount, name: tenant-admin, namespace: tenant}]
        """;

    private async Task ReadyAsync(string name, int replicas)
    {
        V1Deployment deployment = await Client.GetAsync<V1Deployment>(name, ChartCluster.Namespace) ?? throw new InvalidOperationException($"no {name}");
        Assert.Equal((replicas, replicas), (deployment.Spec.Replicas, deployment.Status.ReadyReplicas));
    }

    private async Task CreateModelAsync(string name) => await Client.CreateAsync(new CoServedModel
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "default" },
        Spec = new CoServedModelSpec { Model = new ModelSource { Uri = "file:///models/demo" }, Replicas = 1 },
    });

    private async Task<string> DescriptionAsync() =>
        (await Client.GetAsync<V1CustomResourceDefinition>("adapters.aifabric.io"))!.Spec.Versions[0].Schema.OpenAPIV3Schema.Description;

    /// <summary>Writes the caBundle of the validating webhooks as the operator does.</summary>
    private async Task TrustAsync(string authority) => await Client.ApplyAsync(
        new V1ValidatingWebhookConfiguration
        {
            Metadata = new V1ObjectMeta { Name = Release },
            Webhooks = [.. Definitions.Select(definition => new V1ValidatingWebhook
            {
                Name = definition.Replace(".aifabric.io", ".validate.aifabric.io", StringComparison.Ordinal),
                ClientConfig = new Admissionregistrationv1WebhookClientConfig { CaBundle = Encoding.ASCII.GetBytes(authority) },
            })],
        },
        "aifabric-operator-webhooks");

    private async Task<string> TrustedAsync()
    {
        var configuration = (await Client.GetAsync<V1ValidatingWebhookConfiguration>(Release))!; // Installed.
        return Assert.Single(configuration.Webhooks.Select(webhook => Encoding.ASCII.GetString(webhook.ClientConfig.CaBundle)).Distinct());
    }

    /// <summary>The chart with another description in one custom resource definition.</summary>
    private static DirectoryInfo ChangedChart()
    {
        DirectoryInfo copy = Directory.CreateTempSubdirectory("aifabric-chart-");
        foreach (string file in Directory.GetFiles(Helm.Chart, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(copy.FullName, Path.GetRelativePath(Helm.Chart, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!); // It is below the copy's folder.
            File.Copy(file, target);
        }
        string definition = Path.Combine(copy.FullName, "charts", "aifabric-crds", "files", "aifabric.io_adapters.yaml"), text = File.ReadAllText(definition);
        const string Before = "A LoRA adapter that";
        Assert.Contains(Before, text, StringComparison.Ordinal);
        File.WriteAllText(definition, text.Replace(Before, "A changed description. " + Before, StringComparison.Ordinal));
        return copy;
    }

    private async Task NothingElseIsLeftAsync()
    {
        string left = await cluster.Plane.KubectlAsync(
        [
            "get", "deployments,services,serviceaccounts,configmaps,roles,rolebindings,clusterroles,clusterrolebindings,poddisruptionbudgets,"
                + "networkpolicies,validatingwebhookconfigurations,mutatingwebhookconfigurations,priorityclasses",
            "--all-namespaces", "--selector", "app.kubernetes.io/instance=" + Release, "--output", "name",
        ]);
        Assert.DoesNotContain("/aifabric", left, StringComparison.Ordinal);
    }
}
