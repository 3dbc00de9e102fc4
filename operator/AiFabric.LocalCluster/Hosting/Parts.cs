using System.Net;
using AiFabric.LocalCluster.Controllers;
using AiFabric.LocalCluster.Node;
using AiFabric.LocalCluster.Node.Containers;

namespace AiFabric.LocalCluster.Hosting;

/// <summary>What runs in the API server's process besides it: controllers and a node, as hosted services over IClusterApi.</summary>
internal static class Parts
{
    /// <summary>Adds the controllers and the node that the options ask for.</summary>
    public static IServiceCollection AddControllersAndNode(this IServiceCollection services, LocalClusterOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.RunControllers)
            services.AddClusterControllers();
        if (options.RunNode)
        {
            services.AddNode(node =>
            {
                node.DataFolder = Path.Combine(Path.GetFullPath(options.DataDirectory), "node");
                node.StopPodsOnShutdown = !options.KeepPods;
                node.PodNetwork = IPAddress.Parse(options.PodNetwork);
                foreach (var (image, command) in options.Images)
                    node.Images[image] = ImageCatalog.Words(command);
            });
        }

        return services;
    }
}
