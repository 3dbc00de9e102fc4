using System.Net;
using AiFabric.LocalCluster.Discovery;
using AiFabric.LocalCluster.Http;
using AiFabric.LocalCluster.Patches;
using AiFabric.LocalCluster.Registry;
using AiFabric.LocalCluster.Security;
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
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        AddRegistry(builder.Services, options);
        AddHttp(builder.Services);
        builder.Services.AddControllersAndNode(options);
        configure?.Invoke(builder.Services);
        builder.Services.TryAddSingleton<IPodLogs, NoPodLogs>();
        Listen(builder.WebHost, options);
        var app = builder.Build();
        app.Run(app.Services.GetRequiredService<ApiServer>().HandleAsync);
        return app;
    }

    private static void Listen(ConfigureWebHostBuilder web, LocalClusterOptions options)
    {
        web.UseKestrelHttpsConfiguration();
        web.ConfigureKestrel((_, kestrel) =>
        {
            // Bodies are limited by RequestBody, whose refusal is a Status object.
            kestrel.Limits.MaxRequestBodySize = null;
            var certificates = kestrel.ApplicationServices.GetRequiredService<Certificates>();
            kestrel.Listen(IPAddress.Loopback, options.Port, listen => listen.UseHttps(certificates.Server));
        });
    }

    private static void AddHttp(IServiceCollection services)
    {
        services.AddSingleton(provider => Certificates.Load(
            provider.GetRequiredService<LocalClusterOptions>().DataDirectory, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => new ClusterAccess(
            provider.GetRequiredService<LocalClusterOptions>(), provider.GetRequiredService<Certificates>().AuthorityPath));
        services.AddSingleton<DiscoveryDocuments>();
        services.AddSingleton<OpenApiV2>();
        services.AddSingleton<OpenApiV3>();
        services.AddSingleton<DiscoveryEndpoints>();
        services.AddSingleton<ReadEndpoints>();
        services.AddSingleton<WatchEndpoint>();
        services.AddSingleton<WriteEndpoints>();
        services.AddSingleton<PodEndpoints>();
        services.AddSingleton<ApiServer>();
        services.AddHostedService<KubeconfigWriter>();
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
        services.AddSingleton<ServerSideApply>();
        services.AddSingleton<ClusterApi>();
        services.AddSingleton<IClusterApi>(provider => provider.GetRequiredService<ClusterApi>());
        services.AddHostedService<Bootstrap>();
        services.AddHostedService<NamespaceFinalizer>();
        return services;
    }
}
