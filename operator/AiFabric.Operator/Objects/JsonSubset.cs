using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace AiFabric.Operator.Objects;

/// <summary>
/// Tells whether an object on the server already says all that is wanted, so that nothing is written when nothing changed. What the
/// server added (defaults, status) does not count.
/// </summary>
internal static class JsonSubset
{
    /// <summary>Hash of what was last applied: it also tells of fields that are wanted no more.</summary>
    public const string AppliedAnnotation = "aifabric.io/applied";

    /// <summary>Fields that the server keeps at false or 0, for without them something else holds.</summary>
    private static readonly HashSet<string> KeptAtZero =
    [
        "allowPrivilegeEscalation", "automountServiceAccountToken", "enableServiceLinks", "hostUsers", "runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup",
        "tolerationSeconds", "terminationGracePeriodSeconds",
    ];

    /// <summary>Fields that are maps: the server keeps every entry, also one that is empty.</summary>
    private static readonly HashSet<string> Maps = ["labels", "annotations", "matchLabels", "nodeSelector", "selector"];

    /// <summary>Stamps <paramref name="wanted"/> with the hash of its content.</summary>
    public static T Stamp<T>(T wanted)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        string hash = CanonicalJson.Hash(JsonNode.Parse(KubernetesJson.Serialize(wanted)));
        wanted.Metadata.Annotations ??= new Dictionary<string, string>();
        wanted.Metadata.Annotations[AppliedAnnotation] = hash;
        return wanted;
    }

    /// <summary>
    /// Whether <paramref name="live"/> has every field of <paramref name="wanted"/> with the same value. The server leaves out most fields that are
    /// false, 0 or empty, so that such a one is held where there is none.
    /// </summary>
    public static bool Holds<T>(T wanted, T? live)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (live is null)
            return false;
        var a = (JsonObject)JsonNode.Parse(KubernetesJson.Serialize(wanted))!; // An object is never serialized as anything else.
        var b = (JsonObject)JsonNode.Parse(KubernetesJson.Serialize(live))!;
        foreach (string field in (string[])["apiVersion", "kind", "status"])
            a.Remove(field);
        return Contains(a, b);
    }

    public static bool Contains(JsonNode? wanted, JsonNode? live) => (wanted, live) switch
    {
        (JsonObject a, JsonObject b) => a.All(field => field.Value is null || Contains(field.Value, b[field.Key])),
        (JsonObject a, null) => a.All(field => Contains(field.Value, null)),
        (JsonArray a, JsonArray b) => a.Count == b.Count && a.Zip(b).All(pair => Contains(pair.First, pair.Second)),
        (JsonArray a, null) => a.Count == 0,
        (JsonValue a, JsonValue b) => JsonNode.DeepEquals(a, b) || SameQuantity(a, b),
        (JsonValue a, null) => IsLeftOut(a),
        _ => wanted is null && live is null,
    };

    private static bool IsLeftOut(JsonValue wanted) => wanted.ToJsonString() is "false" or "0" or "\"\""
        && NameOf(wanted) is { } name && !KeptAtZero.Contains(name) && !Maps.Contains(NameOf(wanted.Parent) ?? string.Empty);

    private static string? NameOf(JsonNode? node) => node?.Parent is JsonObject ? node.GetPropertyName() : null;

    /// <summary>The server writes quantities its own way: 1000m comes back as 1.</summary>
    private static bool SameQuantity(JsonValue wanted, JsonValue live) =>
        wanted.GetValueKind() == JsonValueKind.String && live.GetValueKind() == JsonValueKind.String
        && TryQuantity(wanted.GetValue<string>()) is { } a && a == TryQuantity(live.GetValue<string>());

    private static decimal? TryQuantity(string text)
    {
        if (text.Length == 0 || !char.IsAsciiDigit(text[0]))
            return null;
        string digits = text.TrimEnd("numkKMGTPEi".ToCharArray());
        if (!decimal.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number))
            return null;
        decimal? factor = text[digits.Length..] switch
        {
            "" => 1m,
            "n" => 1e-9m,
            "u" => 1e-6m,
            "m" => 1e-3m,
            "k" => 1e3m,
            "M" => 1e6m,
            "G" => 1e9m,
            "T" => 1e12m,
            "P" => 1e15m,
            "Ki" => 1024m,
            "Mi" => 1048576m,
            "Gi" => 1073741824m,
            "Ti" => 1099511627776m,
            "Pi" => 1125899906842624m,
            _ => null,
        };
        return number * factor;
    }
}
