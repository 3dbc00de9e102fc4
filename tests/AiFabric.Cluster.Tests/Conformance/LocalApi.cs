using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.LocalCluster.Hosting;
using k8s;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>A local API server with its controllers and the CRD that scenarios use.</summary>
public sealed class LocalApi : IAsyncLifetime
{
    private readonly DirectoryInfo _data = Directory.CreateTempSubdirectory("aifabric-conformance-");
    private WebApplication? _server;

    public string Kubeconfig => Path.Combine(_data.FullName, "kubeconfig");

    public async ValueTask InitializeAsync()
    {
        _server = LocalClusterHost.Build(
            new LocalClusterOptions { DataDirectory = _data.FullName, Port = 0, RunNode = false },
            services => services.AddLogging(logging => logging.ClearProviders()));
        await _server.StartAsync();
        using HttpEndpoint server = HttpEndpoint.Of(Kubeconfig);
        await Gadgets.DefineAsync(server);
        foreach (string path in Directory.GetFiles(Path.Combine(ControlPlane.Repository, "crds", "manifests"), "*.yaml"))
            await Gadgets.CreateAsync(server, KubernetesJson.Serialize(KubernetesYaml.Deserialize<V1CustomResourceDefinition>(await File.ReadAllTextAsync(path))));
    }

    public async ValueTask DisposeAsync()
    {
        await _server!.StopAsync(); // It started, or the fixture would have failed.
        await _server.DisposeAsync();
        _data.Delete(recursive: true);
    }
}
