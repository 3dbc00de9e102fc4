using AiFabric.LocalCluster.Registry;
using AiFabric.LocalCluster.Storage;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace AiFabric.LocalCluster.Hosting;

/// <summary>Builds the process of a local cluster: API server, controllers and node.</summary>
public static class LocalClusterHost
{
    /// <summary>Builds the application; it serves once started. Tests may replace or add services.</summary>
    /// <exception cref="ArgumentException">Invalid options.</exception>
    public static WebApplication Build(LocalClusterOptions options, Action<IServiceCollection>? configure = null)
    {
        options.Check();
        Directory.CreateDirectory(options.DataDirectory);
        var builder = WebApplication.CreateSlimBuilder();
        AddRegistry(builder.Services, options);
        builder.Services.AddControllersAndNode(options);
        configure?.Invoke(builder.Services);
        builder.Services.TryAddSingleton<IPodLogs, NoPodLogs>();
        return builder.Build();
    }

    /// <summary>The objects without HTTP.</summary>
    internal static IServiceCollection AddRegistry(IServiceCollection services, LocalClusterOptions options)
    {
        services.AddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(_ => new ObjectStore(Path.Combine(options.DataDirectory, "cluster.db"), options.KeepEvents));
        services.AddSingleton<TypeRegistry>();
        services.AddSingleton<ObjectRemover>();
        services.AddSingleton<ObjectWriter>();
        services.AddSingleton<ClusterApi>();
        services.AddSingleton<IClusterApi>(provider => provider.GetRequiredService<ClusterApi>());
        services.AddHostedService<Bootstrap>();
        return services;
    }
}
