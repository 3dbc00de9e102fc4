using AiFabric.Crds.Adapters;
using AiFabric.Operator.Storage;

namespace AiFabric.Operator.Validation;

/// <summary>Rules for Adapters.</summary>
internal static class AdapterRules
{
    public static RuleSet<Adapter> All { get; } = new(
        [
            new("spec.modelRef.name", adapter => Names.IsSubdomain(adapter.Spec.ModelRef.Name) ? null : "must be the name of a CoServedModel"),
            new(
                "spec.source", adapter => adapter.Spec.Source.Uri is null == adapter.Spec.Source.FinetuneJobRef is null
                    ? "set exactly one of uri and finetuneJobRef"
                    : null,
                CelMessage: "set exactly one of uri and finetuneJobRef"),
            new("spec.source.uri", adapter => UriRule.BrokenIfSet(adapter.Spec.Source.Uri)),
            new("spec.digest", adapter => adapter.Spec.Digest is null || IsDigest(adapter.Spec.Digest)
                ? null
                : "must be sha256: and 64 hexadecimal digits in lower case"),
        ],
        [new("spec.modelRef", adapter => adapter.Spec.ModelRef)]);

    private static bool IsDigest(string text) => text.Length == 71 && text.StartsWith("sha256:", StringComparison.Ordinal)
        && text.Skip(7).All(char.IsAsciiHexDigitLower);
}
