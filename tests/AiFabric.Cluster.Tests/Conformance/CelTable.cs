namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>One CEL rule of the CRDs and specs that tell what it is for.</summary>
/// <param name="Kind">Whose rule it is.</param>
/// <param name="Path">Where in the schema it stands, such as <c>spec.scaling</c>, or <c>spec.stages[]</c> for the members of a list.</param>
/// <param name="Rule">The rule, word for word.</param>
/// <param name="Message">What the API server answers when it is broken.</param>
/// <param name="Accepted">A spec that keeps it.</param>
/// <param name="Refused">Specs that break this rule and no other.</param>
/// <param name="Before">For rules about a change: the spec that is stored before. Null: the specs are for new objects.</param>
/// <param name="Besides">Message of a rule that whoever breaks this one cannot but break too.</param>
public sealed record CelCase(
    string Kind, string Path, string Rule, string Message, string Accepted, string[] Refused, string? Before = null, string? Besides = null)
{
    public override string ToString() => $"{Kind} {Path} {Rule}";
}

/// <summary>Every CEL rule in <c>crds/manifests</c>; a test holds the table to that.</summary>
internal static partial class CelTable
{
    private const string Digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    public static IReadOnlyList<CelCase> All { get; } = [.. Models(), .. Adapters(), .. Jobs(), .. Pipelines()];

    private static CelCase[] Models() =>
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
            "CoServedModel", "spec.routing",
            "!has(self.canary) || !has(self.mirror) || self.canary.modelRef.name != self.mirror.modelRef.name || has(self.canary.modelRef.adapter) != has(self.mirror.modelRef.adapter) || (has(self.canary.modelRef.adapter) && self.canary.modelRef.adapter != self.mirror.modelRef.adapter)",
            "canary and mirror must not be the same",
            """{"model":{"uri":"file:///m"},"routing":{"canary":{"modelRef":{"name":"m","adapter":"a"},"percent":10},"mirror":{"modelRef":{"name":"m","adapter":"b"},"percent":10}}}""",
            [
                """{"model":{"uri":"file:///m"},"routing":{"canary":{"modelRef":{"name":"m"},"percent":10},"mirror":{"modelRef":{"name":"m"},"percent":5}}}""",
                """{"model":{"uri":"file:///m"},"routing":{"canary":{"modelRef":{"name":"m","adapter":"a"},"percent":1},"mirror":{"modelRef":{"name":"m","adapter":"a"},"percent":1}}}""",
            ]),
        new(
            "CoServedModel", "spec.speculative", "self.promptLookupMin <= self.promptLookupMax", "promptLookupMin must not exceed promptLookupMax",
            """{"model":{"uri":"file:///m"},"speculative":{"method":"PromptLookup","promptLookupMin":3,"promptLookupMax":3}}""",
            [
                """{"model":{"uri":"file:///m"},"speculative":{"method":"PromptLookup","promptLookupMin":5}}""",
                """{"model":{"uri":"file:///m"},"speculative":{"method":"PromptLookup","promptLookupMax":1}}""",
            ]),
    ];

    private static CelCase[] Adapters() =>
    [
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
    ];
}
