using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry.Rules;

/// <summary>ConfigMaps and Secrets: their keys, and that an immutable one stays.</summary>
internal static partial class DataRules
{
    private static readonly string[] Parts = ["data", "binaryData", "stringData"];

    /// <exception cref="ApiException">422 with the field and the reason.</exception>
    public static void Check(ResourceType type, JsonObject next, JsonObject? current)
    {
        var name = next.Text("metadata", "name") ?? "";
        StatusCause[] bad =
        [
            .. from part in Parts
               from pair in next.Map(part) ?? []
               where pair.Key.Length > 253 || !Key().IsMatch(pair.Key)
               select new StatusCause(
                   "FieldValueInvalid", $"Invalid value: \"{pair.Key}\": a valid config key must consist of alphanumeric characters, '-', '_' or '.'", $"{part}[{pair.Key}]"),
        ];
        if (bad.Length > 0)
            throw ApiException.Invalid(type, name, bad);
        if (current is null || !current.Flag("immutable"))
            return;
        var changed = Parts.Where(part => !JsonNode.DeepEquals(next.Field(part), current.Field(part))).ToList();
        if (!next.Flag("immutable"))
            changed.Add("immutable");
        if (changed.Count > 0)
        {
            throw ApiException.Invalid(
                type, name, [.. changed.Select(field => new StatusCause("FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set", field))]);
        }
    }

    [GeneratedRegex("^[-._a-zA-Z0-9]+$")]
    private static partial Regex Key();
}
