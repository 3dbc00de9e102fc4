using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Hosting;

/// <summary>Takes in the stored definitions and makes the objects every cluster has, before anything else starts.</summary>
internal sealed class Bootstrap(IClusterApi api, ObjectWriter writer) : IHostedService
{
    private static readonly string[] Namespaces = ["default", "kube-system", "kube-public", "kube-node-lease"];

    public Task StartAsync(CancellationToken cancellationToken)
    {
        writer.ReloadTypes();
        foreach (var name in Namespaces)
        {
            if (api.Get(BuiltInTypes.Namespaces, null, name) is null)
                api.Create(BuiltInTypes.Namespaces, null, new JsonObject { ["metadata"] = new JsonObject { ["name"] = name } });
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
