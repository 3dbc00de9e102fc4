using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry.Rules;

internal static class PodRules
{
    private static readonly string[] Changeable = ["image", "activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName"];

    /// <summary>A pod's spec is fixed but for images, deadlines, tolerations and (once) its node.</summary>
    public static void CheckUpdate(ResourceType type, JsonObject next, JsonObject current)
    {
        if (JsonNode.DeepEquals(Fixed(next), Fixed(current)))
            return;
        throw ApiException.Invalid(type, next.Text("metadata", "name") ?? "", [new(
            "FieldValueForbidden", "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, "
            + "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` or `spec.terminationGracePeriodSeconds`", "spec")]);
    }

    private static JsonObject Fixed(JsonObject pod)
    {
        var spec = pod.Map("spec")?.Clone() ?? [];
        foreach (var field in Changeable)
            spec.Remove(field);
        foreach (var list in (string[])["containers", "initContainers"])
        {
            foreach (var container in spec.Items(list)?.OfType<JsonObject>() ?? [])
                container.Remove("image");
        }

        return spec;
    }
}
