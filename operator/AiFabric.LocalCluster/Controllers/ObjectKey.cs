using System.Text.Json.Nodes;

namespace AiFabric.LocalCluster.Controllers;

/// <summary>Which object to look at; the namespace is empty for cluster-wide ones.</summary>
internal readonly record struct ObjectKey(string Namespace, string Name)
{
    public static ObjectKey Of(JsonObject item) => new(
        item["metadata"]?["namespace"]?.GetValue<string>() ?? "",
        item["metadata"]?["name"]?.GetValue<string>() ?? "");

    /// <summary>The key of the object's controller, when that is of <paramref name="kind"/>.</summary>
    public static IEnumerable<ObjectKey> OfOwner(JsonObject item, string kind)
    {
        foreach (JsonNode? owner in item["metadata"]?["ownerReferences"] as JsonArray ?? [])
        {
            if (owner?["controller"]?.GetValue<bool>() == true && owner["kind"]?.GetValue<string>() == kind)
            {
                yield return new ObjectKey(Of(item).Namespace, owner["name"]!.GetValue<string>());
            }
        }
    }
}
