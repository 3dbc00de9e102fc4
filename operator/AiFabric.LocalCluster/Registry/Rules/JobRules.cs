using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry.Rules;

internal static class JobRules
{
    /// <summary>Gives a job without a manual selector one over its uid, and its pods the labels for it.</summary>
    public static void Select(JsonObject made)
    {
        var spec = made.Ensure("spec");
        if (spec.Flag("manualSelector"))
            return;
        var uid = made.Text("metadata", "uid");
        var labels = spec.Ensure("template").Ensure("metadata").Ensure("labels");
        labels["controller-uid"] = uid;
        labels["job-name"] = made.Text("metadata", "name");
        labels["batch.kubernetes.io/controller-uid"] = uid;
        labels["batch.kubernetes.io/job-name"] = made.Text("metadata", "name");
        spec["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["batch.kubernetes.io/controller-uid"] = uid } };
    }
}
