namespace AiFabric.LocalCluster.Registry;

/// <summary>One resource that the API server serves, built in or declared by a CustomResourceDefinition.</summary>
/// <param name="Group">The API group, "" for core.</param>
/// <param name="Version">The served version, such as "v1".</param>
/// <param name="Plural">The name in URLs, such as "pods".</param>
/// <param name="Kind">The kind, such as "Pod".</param>
/// <param name="Singular">The singular name, such as "pod".</param>
/// <param name="Namespaced">Whether objects live in a namespace.</param>
/// <param name="ShortNames">Short names for kubectl, such as "po".</param>
/// <param name="Categories">Categories for kubectl, such as "all".</param>
/// <param name="Subresources">Subresources, such as "status", "scale" and "log".</param>
public sealed record ResourceType(
    string Group,
    string Version,
    string Plural,
    string Kind,
    string Singular,
    bool Namespaced,
    IReadOnlyList<string> ShortNames,
    IReadOnlyList<string> Categories,
    IReadOnlyList<string> Subresources)
{
    /// <summary>The <c>apiVersion</c> of objects of this type: "v1" or "group/version".</summary>
    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    /// <summary>The name that identifies the resource whatever its version: "pods" or "deployments.apps".</summary>
    public string Resource => Group.Length == 0 ? Plural : $"{Plural}.{Group}";

    /// <summary>Whether the type has the subresource <paramref name="name"/>.</summary>
    public bool Has(string name) => Subresources.Contains(name);

    /// <inheritdoc/>
    public override string ToString() => Resource;
}
