using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.Kube;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Validation;
using k8s;
using k8s.Models;

namespace AiFabric.Operator.Webhooks;

/// <summary>Decides whether an object of one kind is let in.</summary>
internal interface IValidatingReview
{
    /// <param name="request">Read by <see cref="ReviewReader"/>.</param>
    /// <param name="around">The other objects of its namespace; null while they are not known.</param>
    Verdict Decide(AdmissionRequest request, Surroundings? around);
}

/// <summary>
/// Holds an object to the rules by which the reconcilers go, and to its surroundings. What the object broke before an update, it may go on
/// breaking, with a warning: else a stricter rule would lock objects up, even against their deletion. Pure.
/// </summary>
/// <param name="rules">The kind's rules.</param>
/// <param name="references">What other objects say of it.</param>
/// <param name="hasTemplate">Whether <c>spec.template</c> is a pod template.</param>
internal sealed class ValidatingReview<T>(RuleSet<T> rules, Func<T, Surroundings, Findings> references, bool hasTemplate = false) : IValidatingReview
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    public Verdict Decide(AdmissionRequest request, Surroundings? around)
    {
        if (request is not { Operation: AdmissionRequest.Create or AdmissionRequest.Update, Object: { } wanted } || !string.IsNullOrEmpty(request.SubResource))
            return Verdict.Pass;
        if ((wanted["metadata"] as JsonObject)?["deletionTimestamp"] is not null || (request.OldObject is { } before && SameSpec(before, wanted)))
            return Verdict.Pass;
        Findings now = Look(wanted, around, isNew: request.OldObject is null, out T? entity);
        if (request.OldObject is not { } stored)
            return new Verdict(now.Refusals, now.Warnings);
        Findings then = Look(stored, around, isNew: false, out T? old);
        IReadOnlyList<Violation> changes = entity is not null && old is not null ? rules.CheckChange(old, entity) : [];
        return new Verdict(
            [.. now.Refusals.Except(then.Refusals), .. changes], [.. now.Refusals.Intersect(then.Refusals), .. now.Warnings.Except(then.Warnings)]);
    }

    private Findings Look(JsonObject json, Surroundings? around, bool isNew, out T? entity)
    {
        entity = null;
        if (hasTemplate && TemplateFields.Check((json["spec"] as JsonObject)?["template"]) is { } field)
            return new([field], []);
        try
        {
            entity = TypedJson.Read<T>(json)!; // An object is never read as null.
        }
        catch (JsonException e)
        {
            string at = e.Path is { Length: > 2 } path ? path[2..] : "spec";
            return new([new(at, $"does not fit the kind's schema: {TemplateFields.FirstSentence(e.Message)}")], []);
        }
        if (isNew)
            entity.Metadata.CreationTimestamp = null; // Whoever was made before comes first, even within the same second.
        Findings found = around is null ? Findings.None : references(entity, around);
        return found with { Refusals = [.. rules.Check(entity), .. found.Refusals] };
    }

    private static bool SameSpec(JsonObject before, JsonObject now) =>
        JsonNode.DeepEquals(CanonicalJson.Sort(before["spec"]), CanonicalJson.Sort(now["spec"]));
}
