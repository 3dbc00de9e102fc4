namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>One CEL rule of the CRDs and specs that tell what it is for.</summary>
/// <param name="Kind">Whose rule it is.</param>
/// <param name="Path">Where in the schema it stands, such as <c>spec.scaling</c>.</param>
/// <param name="Rule">The rule, word for word.</param>
/// <param name="Message">What the API server answers when it is broken.</param>
/// <param name="Accepted">A spec that keeps it.</param>
/// <param name="Refused">Specs that break this rule and no other.</param>
/// <param name="Before">For rules about a change: the spec that is stored before. Null: the specs are for new objects.</param>
public sealed record CelCase(string Kind, string Path, string Rule, string Message, string Accepted, string[] Refused, string? Before = null)
{
    public override string ToString() => $"{Kind} {Path} {Rule}";
}

/// <summary>Every CEL rule in <c>crds/manifests</c>; a test holds the table to that.</summary>
internal static class CelTable
{
    private const string Digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    public static IReadOnlyList<CelCase> All { get; } =
    [
        new(
            "CoServedModel", "spec", "!(has(self.replicas) && has(self.scaling))", "set replicas or scaling, not both",
            """{"model":{"uri":"file:///m"},"replicas":2}""",
            ["""{"model":{"uri":"file:///m"},"replicas":2,"scaling":{"maxReplicas":2}}"""]),
        new(
            "CoServedModel", "spec.scaling", "self.minReplicas <= self.maxReplicas", "minReplicas must not exceed maxReplicas",
            """{"model":{"uri":"file:///m"},"scaling":{"minReplicas":2,"maxReplicas":2}}""",
            ["""{"model":{"uri":"file:///m"},"scaling":{"minReplicas":3,"maxReplicas":2}}"""]),
        new(
            "CoServedModel", "spec.speculative", "self.promptLookupMin <= self.promptLookupMax", "promptLookupMin must not exceed promptLookupMax",
            """{"model":{"uri":"file:///m"},"speculative":{"method":"PromptLookup","promptLookupMin":3,"promptLookupMax":3}}""",
            [
                """{"model":{"uri":"file:///m"},"speculative":{"method":"PromptLookup","promptLookupMin":5}}""",
                """{"model":{"uri":"file:///m"},"speculative":{"method":"PromptLookup","promptLookupMax":1}}""",
            ]),
        new(
            "Adapter", "spec.source", "has(self.uri) != has(self.finetuneJobRef)", "set exactly one of uri and finetuneJobRef",
            """{"modelRef":{"name":"m"},"source":{"uri":"file:///a"}}""",
            [
                """{"modelRef":{"name":"m"},"source":{}}""",
                """{"modelRef":{"name":"m"},"source":{"uri":"file:///a","finetuneJobRef":{"name":"j"}}}""",
            ]),
        new(
            "Adapter", "spec.modelRef", "self == oldSelf", "modelRef is immutable",
            $$$"""{"modelRef":{"name":"m"},"source":{"uri":"file:///a"},"digest":"{{{Digest}}}"}""",
            ["""{"modelRef":{"name":"other"},"source":{"uri":"file:///a"}}"""],
            Before: """{"modelRef":{"name":"m"},"source":{"uri":"file:///a"}}"""),
        Job("spec.modelRef", "self == oldSelf", "modelRef", ["""{"modelRef":{"name":"other"},"dataset":{"uri":"file:///d"},"output":{"adapterName":"a"}}"""]),
        Job(
            "spec.dataset", "self == oldSelf", "dataset",
            [
                """{"modelRef":{"name":"m"},"dataset":{"uri":"file:///other"},"output":{"adapterName":"a"}}""",
                """{"modelRef":{"name":"m"},"dataset":{"uri":"file:///d","format":"Chat"},"output":{"adapterName":"a"}}""",
                """{"modelRef":{"name":"m"},"dataset":{"uri":"file:///d","evalUri":"file:///e"},"output":{"adapterName":"a"}}""",
            ]),
        Job("spec.output", "self == oldSelf", "output", ["""{"modelRef":{"name":"m"},"dataset":{"uri":"file:///d"},"output":{"adapterName":"b"}}"""]),
        Job("spec.lora", "self == oldSelf", "lora", [JobWith("\"lora\":{\"rank\":8}")], Before: JobWith("\"lora\":{\"rank\":4}")),
        Job("spec", "has(self.lora) == has(oldSelf.lora)", "lora", [JobWith("\"lora\":{}")]),
        Job("spec", "has(self.lora) == has(oldSelf.lora)", "lora", [JobWith("\"suspend\":true")], Before: JobWith("\"lora\":{}")),
        Job(
            "spec.hyperparameters", "self == oldSelf", "hyperparameters", [JobWith("\"hyperparameters\":{\"epochs\":2}")],
            Before: JobWith("\"hyperparameters\":{\"epochs\":1}")),
        Job("spec", "has(self.hyperparameters) == has(oldSelf.hyperparameters)", "hyperparameters", [JobWith("\"hyperparameters\":{}")]),
        Job(
            "spec", "has(self.hyperparameters) == has(oldSelf.hyperparameters)", "hyperparameters", [JobWith("\"suspend\":true")],
            Before: JobWith("\"hyperparameters\":{}")),
    ];

    /// <summary>A field of a FinetuneJob that must stay as it was. A change of <c>backoffLimit</c> beside it is accepted.</summary>
    private static CelCase Job(string path, string rule, string field, string[] refused, string? Before = null)
    {
        string before = Before ?? JobWith("\"suspend\":true");
        return new("FinetuneJob", path, rule, $"{field} is immutable", before[..^1] + ",\"backoffLimit\":2}", refused, before);
    }

    private static string JobWith(string more) => $$$"""{"modelRef":{"name":"m"},"dataset":{"uri":"file:///d"},"output":{"adapterName":"a"},{{{more}}}}""";
}
