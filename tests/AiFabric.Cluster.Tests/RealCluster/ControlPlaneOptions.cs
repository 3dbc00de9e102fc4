namespace AiFabric.Cluster.Tests.RealCluster;

public sealed record ControlPlaneOptions
{
    /// <summary>Whether the API server writes every request (metadata only) to <see cref="ControlPlane.AuditLog"/>.</summary>
    public bool Audit { get; init; } = true;

    /// <summary>Whether the CRDs of <c>crds/manifests</c> are applied at the start.</summary>
    public bool ApplyCustomResourceDefinitions { get; init; } = true;

    /// <summary>More flags of kube-apiserver. None may hold a space.</summary>
    public IReadOnlyList<string> ApiServerArguments { get; init; } = [];
}
