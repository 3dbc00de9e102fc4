using AiFabric.LocalCluster.Controllers.Events;
using AiFabric.LocalCluster.Node.Logs;
using AiFabric.LocalCluster.Node.Pods;
using AiFabric.LocalCluster.Registry;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace AiFabric.LocalCluster.Node;

/// <summary>Registers the node.</summary>
public static class NodeRegistration
{
    /// <summary>Adds the node that runs pods as processes, its scheduler, and the logs it keeps. Needs an <c>IClusterApi</c>.</summary>
    public static IServiceCollection AddNode(this IServiceCollection services, Action<NodeOptions>? configure = null)
    {
        var options = new NodeOptions();
        configure?.Invoke(options);
        services.AddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<EventRecorder>();
        services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTimeout);
        services.AddSingleton<PodHost>();
        services.AddSingleton<NodeAgent>();
        services.Replace(ServiceDescriptor.Singleton<IPodLogs, PodLogs>());
        return services
            .AddHostedService<NodeHeartbeat>()
            .AddHostedService<PodScheduler>()
            .AddHostedService(provider => provider.GetRequiredService<NodeAgent>());
    }
}
