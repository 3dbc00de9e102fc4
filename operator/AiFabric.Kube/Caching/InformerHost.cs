using Microsoft.Extensions.Hosting;

namespace AiFabric.Kube;

/// <summary>Runs all registered informers for as long as the host runs.</summary>
internal sealed class InformerHost(IServiceProvider services, IEnumerable<InformerRegistration> informers) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(informers.Select(informer => informer.Resolve(services).RunAsync(stoppingToken)));
}

/// <summary>An informer the host runs: one per kind.</summary>
internal sealed record InformerRegistration(Type Kind, InformerScope Scope, Func<IServiceProvider, IRunnable> Resolve);
