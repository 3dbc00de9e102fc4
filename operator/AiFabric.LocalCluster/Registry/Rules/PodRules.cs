using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry.Rules;

internal static class PodRules
{
    private static readonly string[] Changeable = ["image", "activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName"];

    /// <exception cref="ApiException">422: there is no container, or one without name or image.</exception>
    public static void CheckNew(ResourceType type, JsonObject pod)
    {
        var containers = pod.Items("spec", "containers")?.OfType<JsonObject>().ToArray() ?? [];
        string[] missing =
        [
            .. (containers.Length == 0 ? (string[])["spec.containers"] : []),
            .. from index in Enumerable.Range(0, containers.Length)
               from field in (string[])["name", "image"]
               where string.IsNullOrEmpty(containers[index].Text(field))
               select $"spec.containers[{index}].{field}",
        ];
        if (missing.Length > 0)
        {
            throw ApiException.Invalid(
                type, pod.Text("metadata", "name") ?? "", [.. missing.Select(field => new StatusCause("FieldValueRequired", "Required value", field))]);
        }
    }

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
