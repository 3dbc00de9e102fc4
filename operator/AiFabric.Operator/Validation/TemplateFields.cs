using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Operator.Validation;

/// <summary>
/// Reads a pod template strictly. The schema leaves <c>spec.template</c> open, so that the API server keeps any field there, while the operator
/// would drop one that the core PodTemplateSpec does not have.
/// </summary>
internal static partial class TemplateFields
{
    private const string Root = "spec.template";

    private static readonly JsonSerializerOptions Strict = new(TypedJson.Options) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow };

    /// <summary>The first field that is unknown or does not fit its type; null when there is none.</summary>
    public static Violation? Check(JsonNode? template)
    {
        if (template is null)
            return null;
        try
        {
            TypedJson.Read<V1PodTemplateSpec>(template, Strict);
            return null;
        }
        catch (JsonException e)
        {
            string path = e.Path is { Length: > 1 } inside ? Root + inside[1..] : Root;
            Match unknown = UnknownField().Match(e.Message);
            if (!unknown.Success)
                return new Violation(path, $"does not fit the type of a pod template: {FirstSentence(e.Message)}");
            string field = unknown.Groups[1].Value;
            return new Violation(path.EndsWith("." + field, StringComparison.Ordinal) ? path : $"{path}.{field}", "unknown field of a pod template: mend its name or leave it out");
        }
    }

    /// <summary>What a <see cref="JsonException"/> says, without the place that it may name.</summary>
    public static string FirstSentence(string text) => text.Split(" Path:", 2)[0];

    [GeneratedRegex("^The JSON property '([^']*)' could not be mapped")]
    private static partial Regex UnknownField();
}
