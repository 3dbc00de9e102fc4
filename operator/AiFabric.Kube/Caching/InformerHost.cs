using k8s;
using k8s.Models;
using Microsoft.Extensions.Hosting;

namespace AiFabric.Kube;

/// <summary>Runs all registered informers for as long as the host runs.</summary>
internal sealed class InformerHost(IServiceProvider services, IEnumerable<InformerRegistration> informers) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(informers.Select(informer => informer.Resolve(services).RunAsync(stoppingToken)));
}

/// <summary>An index that the informer of a kind has from its start.</summary>
internal sealed record InformerIndex<T>(string Name, Func<T, IEnumerable<string>> Values)
    where T : class, IKubernetesObject<V1ObjectMeta>;

/// <summary>An informer the host runs: one per kind.</summary>
internal sealed record InformerRegistration(Type Kind, InformerScope Scope, Func<IServiceProvider, IRunnable> Resolve);
