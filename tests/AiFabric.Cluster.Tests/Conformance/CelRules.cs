using System.Text.Json.Nodes;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Crds.Pipelines;
using AiFabric.Operator.Validation;
using k8s;
using k8s.Models;

namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>What the tests of CEL rules share.</summary>
internal static class CelRules
{
    /// <summary>Every rule of a manifest: path in the schema, rule, message.</summary>
    public static IEnumerable<(string Kind, string Path, string Rule, string Message)> Of(V1CustomResourceDefinition definition) =>
        from version in definition.Spec.Versions
        from found in Of(version.Schema.OpenAPIV3Schema, "")
        select (definition.Spec.Names.Kind, found.Path, found.Rule, found.Message);

    /// <summary>An object of a kind as JSON.</summary>
    public static JsonObject Object(string kind, string name, string spec) => new()
    {
        ["apiVersion"] = Group.ApiVersion,
        ["kind"] = kind,
        ["metadata"] = new JsonObject { ["name"] = name },
        ["spec"] = JsonNode.Parse(spec),
    };

    /// <summary>What the operator itself says of a spec that is new, or that takes the place of another: the messages of the mirrored CEL rules.</summary>
    public static IReadOnlyList<string> OperatorSays(string kind, string spec, string? before) => kind switch
    {
        "CoServedModel" => Says(ModelRules.All, Parse<CoServedModel>(kind, spec), before is null ? null : Parse<CoServedModel>(kind, before)),
        "Adapter" => Says(AdapterRules.All, Parse<Adapter>(kind, spec), before is null ? null : Parse<Adapter>(kind, before)),
        "FinetuneJob" => Says(FinetuneRules.All, Parse<FinetuneJob>(kind, spec), before is null ? null : Parse<FinetuneJob>(kind, before)),
        "Pipeline" => Says(PipelineRules.All, Parse<Pipeline>(kind, spec), before is null ? null : Parse<Pipeline>(kind, before)),
        _ => throw new ArgumentException($"kind {kind} has no rules here: add it", nameof(kind)),
    };

    private static IReadOnlyList<string> Says<T>(RuleSet<T> rules, T entity, T? before)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (before is not null)
            entity.Metadata.Annotations = new Dictionary<string, string> { [AcceptedSpec.Annotation] = AcceptedSpec.Describe(rules, before) };
        return
        [
            .. rules.Rules.Where(rule => rule.CelMessage is not null && rule.Broken(entity) is not null).Select(rule => rule.CelMessage!), // Not null: just asked.
            .. AcceptedSpec.Changes(rules, entity).Select(violation => violation.Message.Split(':')[0]),
        ];
    }

    private static T Parse<T>(string kind, string spec) => KubernetesJson.Deserialize<T>(Object(kind, "x", spec).ToJsonString());

    private static IEnumerable<(string Path, string Rule, string Message)> Of(V1JSONSchemaProps schema, string path)
    {
        foreach (V1ValidationRule rule in schema.XKubernetesValidations ?? [])
            yield return (path, rule.Rule, rule.Message);
        foreach ((string name, V1JSONSchemaProps property) in schema.Properties ?? new Dictionary<string, V1JSONSchemaProps>())
        {
            foreach (var found in Of(property, path.Length == 0 ? name : $"{path}.{name}"))
                yield return found;
        }
        if (schema.Items is not null)
        {
            // The client's type says object here, for old CRDs had lists of schemas.
            var items = KubernetesJson.Deserialize<V1JSONSchemaProps>(KubernetesJson.Serialize(schema.Items));
            foreach (var found in Of(items, path + "[]"))
                yield return found;
        }
    }
}
