using AiFabric.Cluster.Tests.RealCluster;
using Xunit;

namespace AiFabric.Cluster.Tests.Chart;

/// <summary>One of the two Helms that the chart is tested with.</summary>
/// <param name="Version">Such as <c>3.17</c>.</param>
internal sealed record Helm(string Version)
{
    /// <summary>Argument of every test that runs with each.</summary>
    public static TheoryData<string> Versions { get; } = ["3.17", "4.1"];

    /// <summary>The chart in the working tree.</summary>
    public static string Chart { get; } = Path.Combine(ControlPlane.Repository, "charts", "aifabric");

    private string Program => Path.Combine(ControlPlane.Binaries, Version == "3.17" ? "helm" : "helm-v33");

    /// <summary>Runs it without a cluster.</summary>
    /// <returns>What it printed on both outputs.</returns>
    public Task<string> RunAsync(IEnumerable<string> arguments, int exitCode = 0) => RunAsync(arguments, new Dictionary<string, string?>(), exitCode);

    /// <summary>Runs it on a cluster.</summary>
    public Task<string> RunAsync(ControlPlane plane, IEnumerable<string> arguments, int exitCode = 0) =>
        RunAsync(arguments, plane.ClientEnvironment(), exitCode);

    /// <summary>The chart's objects for release <c>aifabric</c> in <c>aifabric-system</c>, without the CRDs.</summary>
    public async Task<IReadOnlyList<Rendered>> TemplateAsync(params string[] arguments) =>
        Rendered.Read(await RunAsync(["template", "aifabric", Chart, "--namespace", "aifabric-system", "--set", "crds.install=false", .. arguments]));

    private async Task<string> RunAsync(IEnumerable<string> arguments, IReadOnlyDictionary<string, string?> environment, int exitCode)
    {
        Assert.SkipUnless(File.Exists(Program), $"{Program} is not there: tests/AiFabric.Cluster.Tests/kubernetes/get-helm.sh gets it");
        return await Shell.RunAsync(Program, arguments, environment, exitCode: exitCode);
    }
}
