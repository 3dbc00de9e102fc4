using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace AiFabric.Operator.Objects;

/// <summary>JSON with sorted keys and without nulls: equal content gives equal text.</summary>
internal static class CanonicalJson
{
    /// <summary>First ten hexadecimal digits of the SHA-256 of the canonical text.</summary>
    public static string Hash(JsonNode? node) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Sort(node)?.ToJsonString() ?? "null")))[..10];

    public static JsonNode? Sort(JsonNode? node)
    {
        switch (node)
        {
            case JsonObject source:
                var sorted = new JsonObject();
                foreach ((string key, JsonNode? value) in source.OrderBy(field => field.Key, StringComparer.Ordinal))
                {
                    if (value is not null)
                        sorted[key] = Sort(value);
                }
                return sorted;
            case JsonArray items:
                return new JsonArray([.. items.Select(Sort)]);
            default:
                return node?.DeepClone();
        }
    }
}
