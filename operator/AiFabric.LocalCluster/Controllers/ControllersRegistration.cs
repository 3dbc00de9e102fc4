using AiFabric.LocalCluster.Controllers.Deployments;
using AiFabric.LocalCluster.Controllers.Events;
using AiFabric.LocalCluster.Controllers.Garbage;
using AiFabric.LocalCluster.Controllers.Jobs;
using AiFabric.LocalCluster.Controllers.ReplicaSets;
using AiFabric.LocalCluster.Controllers.Services;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace AiFabric.LocalCluster.Controllers;

/// <summary>Registers the embedded controllers.</summary>
public static class ControllersRegistration
{
    /// <summary>Adds the controllers for deployments, replica sets, jobs, services, events and garbage. Needs an <c>IClusterApi</c>.</summary>
    public static IServiceCollection AddClusterControllers(this IServiceCollection services, Action<ControllerOptions>? configure = null)
    {
        var options = new ControllerOptions();
        configure?.Invoke(options);
        services.AddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<EventRecorder>();
        return services
            .AddHostedService<DeploymentController>()
            .AddHostedService<ReplicaSetController>()
            .AddHostedService<JobController>()
            .AddHostedService<EndpointsController>()
            .AddHostedService<ServiceProxy>()
            .AddHostedService<EventExpiry>()
            .AddHostedService<GarbageCollector>();
    }
}
