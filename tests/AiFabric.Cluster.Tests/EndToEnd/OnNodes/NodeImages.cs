using AiFabric.Cluster.Tests.RealCluster;

namespace AiFabric.Cluster.Tests.EndToEnd.OnNodes;

/// <summary>The archives that <c>make images</c> leaves.</summary>
internal static class NodeImages
{
    public static IReadOnlyList<string> Tars => [.. new[] { "operator", "gateway", "worker" }.Select(Tar)];

    /// <summary>Why no fabric can be started on real nodes; null: one can.</summary>
    public static string? Missing() =>
        ControlPlane.Missing() ?? Tars.Where(tar => !File.Exists(tar)).Select(tar => $"{tar} is not there: make images").FirstOrDefault();

    private static string Tar(string image) => Path.Combine(ControlPlane.Repository, "artifacts", "images", image + ".tar");
}
