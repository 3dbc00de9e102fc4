using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Cluster.Tests.EndToEnd.OnNodes;

/// <summary>One verb on one resource that RBAC allows an account.</summary>
/// <param name="Account">Service account, such as <c>aifabric-operator</c>.</param>
/// <param name="Space">The one namespace it holds for; empty for all.</param>
/// <param name="Group">API group; empty for the core group.</param>
/// <param name="Resource">Plural name, with the subresource if any: <c>pods/status</c>.</param>
/// <param name="Verb">As in RBAC rules.</param>
/// <param name="Name">The one object it holds for; empty for all.</param>
public sealed record Grant(string Account, string Space, string Group, string Resource, string Verb, string Name)
{
    /// <summary>Reads what the bindings of a namespace's service accounts <c>aifabric-*</c> give them, beyond what every account has.</summary>
    public static async Task<IReadOnlyList<Grant>> OfAccountsAsync(IKubernetesClient client, string space)
    {
        var grants = new List<Grant>();
        foreach (V1ClusterRoleBinding binding in await client.ListAsync<V1ClusterRoleBinding>())
        {
            foreach (string account in Accounts(binding.Subjects, space))
                grants.AddRange(Expand(account, "", (await client.GetAsync<V1ClusterRole>(binding.RoleRef.Name))?.Rules));
        }
        foreach (V1RoleBinding binding in await client.ListAsync<V1RoleBinding>())
        {
            string here = binding.Metadata.NamespaceProperty;
            foreach (string account in Accounts(binding.Subjects, space))
            {
                grants.AddRange(Expand(account, here, binding.RoleRef.Kind == "Role"
                    ? (await client.GetAsync<V1Role>(binding.RoleRef.Name, here))?.Rules
                    : (await client.GetAsync<V1ClusterRole>(binding.RoleRef.Name))?.Rules));
            }
        }
        return [.. grants.Distinct()];
    }

    /// <summary>Whether a request is one that needs this grant. A server-side apply that makes the object (201) needs create beside patch.</summary>
    public bool IsNeededBy(AuditEvent request) =>
        (Verb == request.Verb || (Verb, request.Verb, request.Code) == ("create", "patch", 201)) && Group == request.Group && (Space.Length == 0 || Space == request.Namespace) && (Name.Length == 0 || Name == request.Name)
        && Resource == (request.Subresource.Length == 0 ? request.Resource : $"{request.Resource}/{request.Subresource}");

    public override string ToString() =>
        $"{Account}: {Verb} {(Group.Length == 0 ? Resource : $"{Resource}.{Group}")}{(Name.Length == 0 ? "" : $" '{Name}'")}{(Space.Length == 0 ? "" : $" in {Space}")}";

    private static IEnumerable<string> Accounts(IEnumerable<Rbacv1Subject>? subjects, string space) => (subjects ?? [])
        .Where(subject => subject.Kind == "ServiceAccount" && subject.NamespaceProperty == space && subject.Name.StartsWith("aifabric-", StringComparison.Ordinal))
        .Select(subject => subject.Name);

    private static IEnumerable<Grant> Expand(string account, string space, IEnumerable<V1PolicyRule>? rules) =>
        from rule in rules ?? []
        from resourceGroup in rule.ApiGroups ?? []
        from resource in rule.Resources ?? []
        from verb in rule.Verbs
        from name in rule.ResourceNames is { Count: > 0 } names ? names : [""]
        select new Grant(account, space, resourceGroup, resource, verb, name);
}
