using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry.Rules;

internal static class NamespaceRules
{
    /// <summary>A namespace starts active, labelled with its name, and stays until its contents are gone.</summary>
    public static void Prepare(JsonObject made)
    {
        var metadata = made.Ensure("metadata");
        metadata.Ensure("labels")["kubernetes.io/metadata.name"] = metadata.Text("name");
        made.Ensure("spec")["finalizers"] = new JsonArray("kubernetes");
        made["status"] = new JsonObject { ["phase"] = "Active" };
    }
}
