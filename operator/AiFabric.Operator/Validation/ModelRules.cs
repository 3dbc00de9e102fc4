using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Models;
using AiFabric.Operator.Storage;
using AiFabric.Operator.Workers;
using k8s.Models;

namespace AiFabric.Operator.Validation;

/// <summary>Rules for CoServedModels.</summary>
internal static class ModelRules
{
    public static RuleSet<CoServedModel> All { get; } = new(
        [
            new("metadata.name", model => Names.IsServiceName(model.Metadata.Name)
                ? null
                : "must start with a letter and have at most 63 of a-z, 0-9 and '-', for a Service and labels carry it"),
            new("spec.model.uri", model => UriRule.Broken(model.Spec.Model.Uri)),
            new("spec.model.revision", model => BrokenRevision(model.Spec.Model)),
            new("spec.model.credentialsSecretRef.name", model => model.Spec.Model.CredentialsSecretRef is not { } secret || Names.IsSubdomain(secret.Name)
                ? null
                : "must be the name of a Secret"),
            new(
                "spec.replicas", model => model.Spec is { Replicas: not null, Scaling: not null } ? "set replicas or scaling, not both" : null,
                CelMessage: "set replicas or scaling, not both"),
            new(
                "spec.scaling", model => model.Spec.Scaling is { } scaling && (scaling.MinReplicas ?? 1) > (scaling.MaxReplicas ?? int.MaxValue)
                    ? $"minReplicas must not exceed maxReplicas ({scaling.MinReplicas ?? 1} > {scaling.MaxReplicas})"
                    : null,
                CelMessage: "minReplicas must not exceed maxReplicas"),
            new(
                "spec.speculative", model => model.Spec.Speculative is { } guesses && (guesses.PromptLookupMin ?? 2) > (guesses.PromptLookupMax ?? 4)
                    ? $"promptLookupMin must not exceed promptLookupMax ({guesses.PromptLookupMin ?? 2} > {guesses.PromptLookupMax ?? 4})"
                    : null,
                CelMessage: "promptLookupMin must not exceed promptLookupMax"),
            new(
                "spec.routing", model => model.Spec.Routing is { Canary.ModelRef: var canary, Mirror.ModelRef: var mirror } && canary.ToString() == mirror.ToString()
                    ? "canary and mirror must not be the same"
                    : null,
                CelMessage: "canary and mirror must not be the same"),
            new("spec.routing.canary.modelRef", model => BrokenTarget(model, model.Spec.Routing?.Canary)),
            new("spec.routing.mirror.modelRef", model => BrokenTarget(model, model.Spec.Routing?.Mirror)),
            new("spec.template.metadata.labels", model => Taken(model.Spec.Template?.Metadata?.Labels?.Keys, PodTemplateBuilder.ReservedLabels)),
            new("spec.template.metadata.annotations", model => Taken(
                model.Spec.Template?.Metadata?.Annotations?.Keys, PodTemplateBuilder.ReservedAnnotations)),
            new("spec.template.spec.restartPolicy", model => model.Spec.Template?.Spec?.RestartPolicy is null or "Always"
                ? null
                : "must be Always, for replicas are meant to stay"),
            new("spec.template.spec.containers[worker]", WorkerFields),
            new("spec.template.spec.containers[worker].env", model => Taken(
                Worker(model)?.Env?.Select(variable => variable.Name), PodTemplateBuilder.ReservedEnvironment)),
            new("spec.resources", model => model.Spec.Resources is not null && Worker(model)?.Resources is not null
                ? "is also set in template's container worker: set it in one place"
                : null),
        ],
        []);

    private static string? BrokenRevision(ModelSource source)
    {
        string[] parts = source.Uri.StartsWith("hf://", StringComparison.Ordinal) ? source.Uri.Split('@', 2) : [];
        return parts.Length < 2 || source.Revision is null || parts[1].Split('/')[0] == source.Revision
            ? null
            : $"is '{source.Revision}', yet spec.model.uri names '{parts[1].Split('/')[0]}': set one of them";
    }

    private static string? BrokenTarget(CoServedModel model, TrafficSpec? traffic) => traffic is not null && TrafficShape.IsItself(model, traffic)
        ? $"is '{traffic.ModelRef.Name}', this model itself: name another, or set adapter to one of its own"
        : null;

    private static V1Container? Worker(CoServedModel model) =>
        model.Spec.Template?.Spec?.Containers?.FirstOrDefault(container => container.Name == WorkerPod.ContainerName);

    private static string? WorkerFields(CoServedModel model)
    {
        if (Worker(model) is not { } worker)
            return null;
        (string Name, bool Set)[] owned =
        [
            ("args", worker.Args is { Count: > 0 }), ("ports", worker.Ports is { Count: > 0 }), ("startupProbe", worker.StartupProbe is not null),
            ("readinessProbe", worker.ReadinessProbe is not null), ("livenessProbe", worker.LivenessProbe is not null),
        ];
        string[] set = [.. owned.Where(field => field.Set).Select(field => field.Name)];
        return set.Length == 0 ? null : $"{string.Join(", ", set)} must be left out: the operator sets it";
    }

    private static string? Taken(IEnumerable<string?>? keys, IReadOnlyCollection<string> reserved)
    {
        string[] taken = [.. (keys ?? []).OfType<string>().Where(reserved.Contains).Order(StringComparer.Ordinal)];
        return taken.Length == 0 ? null : $"{string.Join(", ", taken)} must be left out: the operator sets it";
    }
}

/// <summary>What is wrong with a URI of the spec.</summary>
internal static class UriRule
{
    public static string? Broken(string? uri) => StorageUri.TryParse(uri, out _, out string? error) ? null : error;

    /// <summary>For what workers write.</summary>
    public static string? BrokenTarget(string? uri) => uri is null ? null : !StorageUri.TryParse(uri, out StorageUri? parsed, out string? error)
        ? error
        : parsed.IsRemote ? $"'{uri}' can only be read, not written: use file:// or pvc://" : null;

    public static string? BrokenIfSet(string? uri) => uri is null ? null : Broken(uri);
}
