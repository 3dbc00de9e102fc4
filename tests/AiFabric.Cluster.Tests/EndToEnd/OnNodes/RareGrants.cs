namespace AiFabric.Cluster.Tests.EndToEnd.OnNodes;

/// <summary>What the journey does not call and the code does, in paths that are rare. Each with the file and words that call it.</summary>
internal static class RareGrants
{
    public sealed record Rare(string Account, string Group, string Resource, string Verb, string File, string Words, string When);

    public static IReadOnlyList<Rare> All { get; } =
    [
        new("aifabric-operator", "aifabric.io", "coservedmodels/finalizers", "update", "operator/AiFabric.Operator/Objects/OwnedMetadata.cs", "BlockOwnerDeletion",
            "asked for by OwnerReferencesPermissionEnforcement (OpenShift), on behalf of the owner references we set"),
    ];
}
