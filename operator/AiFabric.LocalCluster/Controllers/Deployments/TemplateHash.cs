using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.Deployments;

/// <summary>The value of the <c>pod-template-hash</c> label: equal templates, in whatever key order, have equal hashes.</summary>
internal static class TemplateHash
{
    public const string Label = "pod-template-hash";

    // The alphabet Kubernetes uses for generated names: no vowels, so no words.
    private const string Alphabet = "bcdfghjklmnpqrstvwxz2456789";

    public static string Of(V1PodTemplateSpec template)
    {
        var canonical = new StringBuilder();
        Write(TypedApi.ToJson(template), canonical);
        byte[] digest = SHA256.HashData(Encoding.UTF8.GetBytes(canonical.ToString()));
        return string.Concat(digest.Take(10).Select(b => Alphabet[b % Alphabet.Length]));
    }

    private static void Write(JsonNode? node, StringBuilder text)
    {
        switch (node)
        {
            case JsonObject item:
                text.Append('{');
                foreach ((string name, JsonNode? value) in item.OrderBy(p => p.Key, StringComparer.Ordinal))
                {
                    // The server stamps null creation times on templates; they mean nothing.
                    if (name != "creationTimestamp")
                    {
                        text.Append(name).Append(':');
                        Write(value, text);
                    }
                }

                text.Append('}');
                break;
            case JsonArray items:
                text.Append('[');
                foreach (JsonNode? value in items)
                {
                    Write(value, text);
                }

                text.Append(']');
                break;
            default:
                text.Append(node?.ToJsonString() ?? "null").Append(',');
                break;
        }
    }
}
