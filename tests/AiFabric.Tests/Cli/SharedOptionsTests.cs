using AiFabric.Cli;
using AiFabric.Cli.Fabric;
using AiFabric.Cli.Verbs;
using k8s;
using Xunit;

namespace AiFabric.Tests.Cli;

/// <summary>Which cluster, namespace and gateway a verb means.</summary>
public sealed class SharedOptionsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-options-");

    private FabricPaths Local => new(_folder.FullName);

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_local_fabric_that_does_not_run_is_named_instead_of_a_refused_connection()
    {
        Write(Local.Kubeconfig, "");
        string problem = Assert.Throws<CliException>(() => SharedOptions.Configuration(null, "", Local)).Message;
        Assert.StartsWith($"the local fabric of {_folder.FullName} does not run; 'aifabric up' starts it", problem, StringComparison.Ordinal);

        Local.RecordSupervisor(FabricPorts.Default);
        Assert.Equal("secret", SharedOptions.Configuration(null, null, Local).AccessToken);
    }

    [Fact]
    public void A_kubeconfig_that_is_named_comes_before_the_local_fabric()
    {
        Write(Local.Kubeconfig, "");
        string own = Path.Combine(_folder.FullName, "own");
        Write(own, "team-a");
        Assert.Equal("team-a", SharedOptions.Configuration(own, null, Local).Namespace);
    }

    [Theory]
    [InlineData(null, "", "default")]
    [InlineData(null, "team-a", "team-a")]
    [InlineData("team-b", "team-a", "team-b")]
    public void Objects_go_to_the_namespace_of_the_context_unless_one_is_named(string? named, string context, string space)
    {
        Write(Local.Kubeconfig, context);
        KubernetesClientConfiguration configuration = SharedOptions.Configuration(Local.Kubeconfig, null, Local);
        Assert.Equal(space, SharedOptions.SpaceOf(named, configuration));
    }

    [Fact]
    public void The_gateway_is_the_one_that_the_environment_names_or_that_runs_here()
    {
        var running = new FabricPorts(6443, 9090);
        Assert.Equal("http://gateway.example", SharedOptions.DefaultGateway("http://gateway.example", running));
        Assert.Equal("http://127.0.0.1:9090", SharedOptions.DefaultGateway("", running));
        Assert.Equal("http://127.0.0.1:8080", SharedOptions.DefaultGateway(null, null));
    }

    [Theory]
    [InlineData("localhost:8080")]
    [InlineData("gateway")]
    [InlineData("/v1")]
    public void An_address_that_is_no_URL_is_refused_by_its_text(string address) =>
        Assert.Equal(
            $"the gateway's address is '{address}'; it must be a URL such as http://127.0.0.1:8080",
            Assert.Throws<CliException>(() => SharedOptions.GatewayAddress(address)).Message);

    private static void Write(string path, string space) => File.WriteAllText(path, $"""
        apiVersion: v1
        kind: Config
        clusters:
        - name: c
          cluster:
            server: http://127.0.0.1:6443
        users:
        - name: u
          user:
            token: secret
        contexts:
        - name: x
          context:
            cluster: c
            user: u
            namespace: "{space}"
        current-context: x
        """);
}
