namespace AiFabric.LocalCluster.Hosting;

/// <summary>What runs in the API server's process besides it: controllers and a node, as hosted services over IClusterApi.</summary>
internal static class Parts
{
    /// <summary>Adds the controllers and the node that the options ask for.</summary>
    public static IServiceCollection AddControllersAndNode(this IServiceCollection services, LocalClusterOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return services;
    }
}
