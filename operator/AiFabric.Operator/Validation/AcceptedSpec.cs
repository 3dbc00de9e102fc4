using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace AiFabric.Operator.Validation;

/// <summary>
/// Remembers the immutable fields of an object in an annotation, as hashes, so that a change is noticed even where the API server does not
/// evaluate CEL, and after a restart.
/// </summary>
internal static class AcceptedSpec
{
    public const string Annotation = "aifabric.io/accepted-spec";

    /// <summary>The annotation's value for <paramref name="entity"/> as it is: <c>field=hash</c>, comma separated.</summary>
    public static string Describe<T>(RuleSet<T> rules, T entity) => string.Join(
        ',', rules.Immutable.Select(field => $"{field.Field["spec.".Length..]}={field.HashOf(entity)}"));

    /// <summary>The value noted when the object was first accepted; null before.</summary>
    public static string? Noted(IKubernetesObject<V1ObjectMeta> entity) =>
        entity.Metadata.Annotations is { } annotations && annotations.TryGetValue(Annotation, out string? noted) ? noted : null;

    /// <summary>The immutable fields that differ from what was noted.</summary>
    public static IReadOnlyList<Violation> Changes<T>(RuleSet<T> rules, T entity)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        if (Noted(entity) is not { } noted)
            return [];
        Dictionary<string, string> hashes = noted.Split(',').Select(pair => pair.Split('=', 2)).Where(pair => pair.Length == 2)
            .GroupBy(pair => pair[0]).ToDictionary(group => group.Key, group => group.First()[1]);
        return
        [
            .. rules.Immutable
                .Where(field => hashes.TryGetValue(field.Field["spec.".Length..], out string? hash) && hash != field.HashOf(entity))
                .Select(field => field.Changed),
        ];
    }

    /// <summary>The merge patch that notes the fields; null when they are noted.</summary>
    /// <param name="rules">The kind's rules.</param>
    /// <param name="entity">The object as it is.</param>
    /// <param name="isNew">Whether nobody has looked at it yet: a note that it brings along is that of the object whose manifest was copied.</param>
    public static JsonObject? Patch<T>(RuleSet<T> rules, T entity, bool isNew)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        string? noted = Noted(entity);
        if (noted is not null && (!isNew || noted == Describe(rules, entity)))
            return null;
        return new() { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [Annotation] = Describe(rules, entity) } } };
    }
}
