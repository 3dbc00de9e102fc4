using AiFabric.Cluster.Tests.RealCluster;

namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>The steps of scenarios that may differ: the table in <c>docs/local-cluster.md</c>, rows <c>| `scenario/step` ... | reason |</c>.</summary>
internal static class AllowedDifferences
{
    /// <summary>Scenario and step number, as <c>scenario/step</c>.</summary>
    public static IReadOnlySet<string> Steps { get; } = File
        .ReadLines(Path.Combine(ControlPlane.Repository, "docs", "local-cluster.md"))
        .Where(line => line.StartsWith("| `", StringComparison.Ordinal))
        .SelectMany(line => line.Split('|')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .Where(word => word.StartsWith('`') && word.Contains('/'))
        .Select(word => word.Trim('`', ','))
        .ToHashSet();
}
