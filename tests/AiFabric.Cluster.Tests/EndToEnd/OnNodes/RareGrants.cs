namespace AiFabric.Cluster.Tests.EndToEnd.OnNodes;

/// <summary>What the journey does not call and the code does, in paths that are rare. Each with the file and words that call it.</summary>
internal static class RareGrants
{
    public sealed record Rare(string Account, string Group, string Resource, string Verb, string File, string Words, string When);

    private const string NoBudgets = "the cluster of these tests has no policy/v1";

    public static IReadOnlyList<Rare> All { get; } =
    [
        new("aifabric-operator", "policy", "poddisruptionbudgets", "list", "operator/AiFabric.Operator/OperatorRegistration.cs", "V1PodDisruptionBudget", NoBudgets),
        new("aifabric-operator", "policy", "poddisruptionbudgets", "watch", "operator/AiFabric.Operator/OperatorRegistration.cs", "V1PodDisruptionBudget", NoBudgets),
        new("aifabric-operator", "policy", "poddisruptionbudgets", "create", "operator/AiFabric.Operator/Models/BudgetExecutor.cs", "objects.ApplyAsync(", NoBudgets),
        new("aifabric-operator", "policy", "poddisruptionbudgets", "patch", "operator/AiFabric.Operator/Models/BudgetExecutor.cs", "objects.ApplyAsync(", NoBudgets),
        new("aifabric-operator", "policy", "poddisruptionbudgets", "delete", "operator/AiFabric.Operator/Models/BudgetExecutor.cs", "objects.DeleteAsync(", NoBudgets),
        new("aifabric-operator", "", "secrets", "get", "operator/AiFabric.Operator/Workers/ControlTokens.cs", "client.GetAsync<V1Secret>(",
            "a control token is read anew after minutes, and by an operator that did not make it"),
        new("aifabric-operator", "", "secrets", "patch", "operator/AiFabric.Operator/Workers/ControlTokens.cs", "client.ApplyAsync(NewSecret(",
            "a Secret that is there without a token gets one"),
        new("aifabric-operator", "", "secrets", "update", "operator/AiFabric.Operator/Webhooks/Certificates/CertificateKeeper.cs", "client.UpdateAsync(found",
            "the webhooks' certificate is renewed after months"),
        new("aifabric-operator", "aifabric.io", "coservedmodels/finalizers", "update", "operator/AiFabric.Operator/Objects/OwnedMetadata.cs", "BlockOwnerDeletion",
            "asked for by OwnerReferencesPermissionEnforcement (OpenShift), on behalf of the owner references we set"),
        new("aifabric-operator", "aifabric.io", "pipelines/finalizers", "update", "operator/AiFabric.Operator/Objects/OwnedMetadata.cs", "BlockOwnerDeletion",
            "the same for a pipeline's functions"),
        new("aifabric-operator", "aifabric.io", "pipelines/status", "patch", "operator/AiFabric.Operator/Pipelines/PipelineController.cs", "statuses.WriteAsync<",
            "the journey declares no pipeline"),
        new("aifabric-operator", "apps", "deployments", "delete", "operator/AiFabric.Operator/Pipelines/PipelineExecutor.cs", "objects.DeleteAsync(",
            "a pipeline loses a stage that is a function"),
    ];
}
