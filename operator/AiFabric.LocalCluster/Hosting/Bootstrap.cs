using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Hosting;

/// <summary>Takes in the stored definitions and makes the objects every cluster has, before anything else starts.</summary>
internal sealed class Bootstrap(IClusterApi api, ObjectWriter writer) : IHostedService
{
    private static readonly string[] Namespaces = ["default", "kube-system", "kube-public", "kube-node-lease"];

    public Task StartAsync(CancellationToken cancellationToken)
    {
        Prepare();
        return Task.CompletedTask;
    }

    /// <summary>Does it all; the registry is synchronous.</summary>
    public void Prepare()
    {
        writer.ReloadTypes();
        foreach (var name in Namespaces)
        {
            if (api.Get(BuiltInTypes.Namespaces, null, name) is null)
                api.Create(BuiltInTypes.Namespaces, null, new JsonObject { ["metadata"] = new JsonObject { ["name"] = name } });
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
