using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry.Rules;

/// <summary>Names, defaults and status of CustomResourceDefinitions. A definition is served as soon as it is stored.</summary>
internal static class DefinitionRules
{
    public static void Prepare(ResourceType type, JsonObject next, JsonObject? current, TimeProvider clock)
    {
        var spec = next.Ensure("spec");
        var names = spec.Ensure("names");
        var name = next.Text("metadata", "name") ?? "";
        Check(type, name, spec, names);
        if (current is not null && current.Text("spec", "scope") != spec.Text("scope"))
            throw ApiException.Invalid(type, name, [new("FieldValueInvalid", "Invalid value: field is immutable", "spec.scope")]);
        var kind = names.Text("kind")!;
        names["singular"] ??= kind.ToLowerInvariant();
        names["listKind"] ??= $"{kind}List";
        spec["conversion"] ??= new JsonObject { ["strategy"] = "None" };
        var now = ObjectWriter.Timestamp(clock.GetUtcNow());
        var since = current.Items("status", "conditions")?.FirstOrDefault().Text("lastTransitionTime") ?? now;
        next["status"] = new JsonObject
        {
            ["acceptedNames"] = names.DeepClone(),
            ["conditions"] = new JsonArray(
                Condition("NamesAccepted", "NoConflicts", "no conflicts found", since),
                Condition("Established", "InitialNamesAccepted", "the initial names have been accepted", since)),
            ["storedVersions"] = new JsonArray([.. Versions(spec).Where(version => version.Flag("storage")).Select(version => (JsonNode?)version.Text("name"))]),
        };
    }

    private static IEnumerable<JsonObject> Versions(JsonObject spec) => spec.Items("versions")?.OfType<JsonObject>() ?? [];

    private static void Check(ResourceType type, string name, JsonObject spec, JsonObject names)
    {
        var causes = new List<StatusCause>();
        void Require(string? value, string field)
        {
            if (string.IsNullOrEmpty(value))
                causes.Add(new("FieldValueRequired", "Required value", field));
        }

        Require(spec.Text("group"), "spec.group");
        Require(spec.Text("scope"), "spec.scope");
        Require(names.Text("plural"), "spec.names.plural");
        Require(names.Text("kind"), "spec.names.kind");
        if (causes.Count == 0 && name != $"{names.Text("plural")}.{spec.Text("group")}")
        {
            causes.Add(new(
                "FieldValueInvalid", $"Invalid value: \"{name}\": must be spec.names.plural+\".\"+spec.group", "metadata.name"));
        }

        if (Versions(spec).Count(version => version.Flag("storage")) != 1)
            causes.Add(new("FieldValueInvalid", "Invalid value: must have exactly one version marked as storage version", "spec.versions"));
        var index = 0;
        foreach (var version in Versions(spec))
        {
            if (version.Map("schema", "openAPIV3Schema") is null)
                causes.Add(new("FieldValueRequired", "Required value: schemas are required", $"spec.versions[{index}].schema.openAPIV3Schema"));
            index++;
        }

        if (causes.Count > 0)
            throw ApiException.Invalid(type, name, causes);
    }

    private static JsonObject Condition(string type, string reason, string message, string since) => new()
    {
        ["type"] = type,
        ["status"] = "True",
        ["lastTransitionTime"] = since,
        ["reason"] = reason,
        ["message"] = message,
    };
}
