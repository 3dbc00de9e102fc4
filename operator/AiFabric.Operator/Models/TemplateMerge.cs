using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace AiFabric.Operator.Models;

/// <summary>
/// Lays a user's pod template over the operator's, as a strategic merge patch does: objects merge, the lists below merge by their key,
/// other lists and all values are replaced.
/// </summary>
internal static class TemplateMerge
{
    /// <summary>Lists of a pod's spec that merge by a key (the <c>patchMergeKey</c> of the Kubernetes API).</summary>
    private static readonly Dictionary<string, string> MergeKeys = new()
    {
        ["containers"] = "name",
        ["initContainers"] = "name",
        ["volumes"] = "name",
        ["imagePullSecrets"] = "name",
        ["hostAliases"] = "ip",
        ["topologySpreadConstraints"] = "topologyKey",
        ["readinessGates"] = "conditionType",
        ["env"] = "name",
        ["volumeMounts"] = "mountPath",
        ["volumeDevices"] = "devicePath",
    };

    public static V1PodTemplateSpec Over(V1PodTemplateSpec operators, V1PodTemplateSpec users)
    {
        var merged = Merge(Json(operators), Json(users));
        return KubernetesJson.Deserialize<V1PodTemplateSpec>(merged.ToJsonString());
    }

    private static JsonObject Json(V1PodTemplateSpec template) =>
        (JsonObject)JsonNode.Parse(KubernetesJson.Serialize(template))!; // An object is never serialized as anything else.

    private static JsonObject Merge(JsonObject below, JsonObject above)
    {
        var merged = (JsonObject)below.DeepClone();
        foreach ((string key, JsonNode? value) in above)
        {
            if (value is null)
                continue;
            merged[key] = (merged[key], value) switch
            {
                (JsonObject a, JsonObject b) => Merge(a, b),
                (JsonArray a, JsonArray b) when MergeKeys.TryGetValue(key, out string? mergeKey) => MergeList(a, b, mergeKey),
                _ => value.DeepClone(),
            };
        }
        return merged;
    }

    private static JsonArray MergeList(JsonArray below, JsonArray above, string key)
    {
        var items = below.Select(item => item?.DeepClone()).ToList();
        foreach (JsonNode? item in above)
        {
            int at = items.FindIndex(other => JsonNode.DeepEquals(other?[key], item?[key]));
            if (at >= 0 && items[at] is JsonObject a && item is JsonObject b)
                items[at] = Merge(a, b);
            else
                items.Add(item?.DeepClone());
        }
        return new JsonArray([.. items]);
    }
}
