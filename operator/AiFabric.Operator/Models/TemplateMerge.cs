using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace AiFabric.Operator.Models;

/// <summary>
/// Lays a user's pod template over the operator's, as a strategic merge patch does: objects merge, the lists below merge by their key,
/// other lists and all values are replaced. What can hold one thing only (a volume, a variable) holds the user's.
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

    /// <summary>A volume has one source, a variable one value: the API server refuses a second, so that the user's displaces any other.</summary>
    private static readonly HashSet<string> Unions = ["volumes", "env", "valueFrom"];

    public static V1PodTemplateSpec Over(V1PodTemplateSpec operators, V1PodTemplateSpec users)
    {
        var merged = Merge("template", Json(operators), Json(users));
        return KubernetesJson.Deserialize<V1PodTemplateSpec>(merged.ToJsonString());
    }

    private static JsonObject Json(V1PodTemplateSpec template) =>
        (JsonObject)JsonNode.Parse(KubernetesJson.Serialize(template))!; // An object is never serialized as anything else.

    /// <param name="field">Where the objects stand: their field, or that of their list.</param>
    /// <param name="below">The operator's.</param>
    /// <param name="above">The user's.</param>
    private static JsonObject Merge(string field, JsonObject below, JsonObject above)
    {
        IEnumerable<KeyValuePair<string, JsonNode?>> kept = Unions.Contains(field) ? below.Where(item => above[item.Key] is not null) : below;
        var merged = new JsonObject(kept.Select(item => KeyValuePair.Create(item.Key, item.Value?.DeepClone())));
        foreach ((string key, JsonNode? value) in above)
        {
            if (value is null)
                continue;
            merged[key] = (merged[key], value) switch
            {
                (JsonObject a, JsonObject b) => Merge(key, a, b),
                (JsonArray a, JsonArray b) when MergeKeys.TryGetValue(key, out string? mergeKey) => MergeList(key, mergeKey, a, b),
                _ => value.DeepClone(),
            };
        }
        return merged;
    }

    private static JsonArray MergeList(string field, string key, JsonArray below, JsonArray above)
    {
        var items = below.Select(item => item?.DeepClone()).ToList();
        foreach (JsonNode? item in above)
        {
            int at = items.FindIndex(other => JsonNode.DeepEquals(other?[key], item?[key]));
            if (at >= 0 && items[at] is JsonObject a && item is JsonObject b)
                items[at] = Merge(field, a, b);
            else
                items.Add(item?.DeepClone());
        }
        return new JsonArray([.. items]);
    }
}
