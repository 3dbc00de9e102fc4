using AiFabric.LocalCluster.Security;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace AiFabric.LocalCluster.Hosting;

/// <summary>Writes the kubeconfig once the server listens, because only then a port chosen by the system is known.</summary>
internal sealed class KubeconfigWriter(ClusterAccess access, IServer server, ILogger<KubeconfigWriter> log) : IHostedLifecycleService
{
    public Task StartedAsync(CancellationToken cancellationToken)
    {
        var address = server.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault()
            ?? throw new InvalidOperationException("The API server listens on no address.");
        access.Server = new(address.Replace("[::1]", "127.0.0.1", StringComparison.Ordinal));
        access.WriteKubeconfig();
        Log.Serving(log, access.Server, access.KubeconfigPath);
        return Task.CompletedTask;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
