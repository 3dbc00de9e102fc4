using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry.Rules;

internal static class SelectorRules
{
    /// <summary>Refuses a change of the selector of a workload: it would orphan pods.</summary>
    public static void CheckUnchanged(ResourceType type, JsonObject next, JsonObject current)
    {
        if (!JsonNode.DeepEquals(next.Field("spec", "selector"), current.Field("spec", "selector")))
        {
            throw ApiException.Invalid(type, next.Text("metadata", "name") ?? "", [new(
                "FieldValueInvalid", $"Invalid value: {next.Field("spec", "selector")?.ToJsonString() ?? "null"}: field is immutable", "spec.selector")]);
        }
    }
}
