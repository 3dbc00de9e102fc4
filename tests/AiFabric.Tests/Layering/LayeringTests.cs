using System.Text.RegularExpressions;
using System.Xml.Linq;
using Xunit;

namespace AiFabric.Tests.Layering;

public sealed partial class LayeringTests
{
    /// <summary>What each project may reference among ours. Design decision: references run one way.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["AiFabric.Crds"] = [],
        ["AiFabric.Crds.Generator"] = ["AiFabric.Crds"],
        ["AiFabric.Kube"] = [],
        ["AiFabric.Protocol"] = [],
        ["AiFabric.Telemetry"] = [],
        ["AiFabric.LocalCluster"] = [],
        ["AiFabric.Engine"] = [],
        ["AiFabric.Worker"] = ["AiFabric.Engine", "AiFabric.Protocol", "AiFabric.Telemetry"],
        ["AiFabric.Gateway"] = ["AiFabric.Crds", "AiFabric.Kube", "AiFabric.Protocol", "AiFabric.Telemetry"],
        ["AiFabric.Operator"] = ["AiFabric.Crds", "AiFabric.Kube", "AiFabric.Protocol"],
        ["AiFabric.Cli"] = ["AiFabric.Crds", "AiFabric.Kube", "AiFabric.Protocol"],
        ["AiFabric.Pretraining"] = ["AiFabric.Engine"],
    };

    [Fact]
    public void References_between_projects_run_one_way()
    {
        foreach (string project in Repository.Files(".", "*.csproj").Where(p => !p.StartsWith("tests/", StringComparison.Ordinal)))
        {
            string name = Path.GetFileNameWithoutExtension(project);
            Assert.True(Allowed.ContainsKey(name), $"{name} has no line in the table of allowed references");
            Assert.Empty(References(project, "ProjectReference").Select(Path.GetFileNameWithoutExtension).Except(Allowed[name]));
        }
    }

    [Theory]
    [InlineData("TorchSharp", "AiFabric.Engine")]
    [InlineData("KubernetesClient", "AiFabric.Crds,AiFabric.Kube,AiFabric.LocalCluster")]
    [InlineData("Yarp.ReverseProxy", "AiFabric.Gateway")]
    [InlineData("OpenTelemetry.Extensions.Hosting", "AiFabric.Telemetry")]
    public void A_package_enters_by_its_own_door(string package, string projects) =>
        Assert.Empty(Repository.Files(".", "*.csproj").Where(p => !p.StartsWith("tests/", StringComparison.Ordinal))
            .Where(p => References(p, "PackageReference").Contains(package))
            .Select(p => Path.GetFileNameWithoutExtension(p)!)
            .Except(projects.Split(',')));

    [Fact]
    public void Runtime_never_writes_to_the_Kubernetes_API() =>
        Assert.DoesNotContain(Repository.Files("runtime", "*.cs"), f => KubernetesWrite().IsMatch(Repository.Read(f)));

    [Fact]
    public void Workers_know_nothing_of_Kubernetes() =>
        Assert.DoesNotContain(
            new[] { "runtime/AiFabric.Worker", "runtime/AiFabric.Engine", "runtime/AiFabric.Protocol" }.SelectMany(folder => Repository.Files(folder, "*.cs")),
            f => Repository.Read(f).Contains("using k8s", StringComparison.Ordinal));

    [Theory]
    [InlineData("runtime/AiFabric.Engine/Requests")]
    [InlineData("runtime/AiFabric.Engine/Scheduling")]
    [InlineData("runtime/AiFabric.Engine/Kernels")]
    [InlineData("runtime/AiFabric.Engine/KvCache")]
    public void What_decides_sees_no_tensor(string folder) =>
        Assert.DoesNotContain(Repository.Files(folder, "*.cs"), f => Repository.Read(f).Contains("TorchSharp", StringComparison.Ordinal));

    [Fact]
    public void Each_event_of_a_projects_log_has_an_id_of_its_own()
    {
        ILookup<string, string> ids = Repository.Files("operator", "*.cs").Concat(Repository.Files("runtime", "*.cs"))
            .SelectMany(file => EventId().Matches(Repository.Read(file)).Select(match => (Project: string.Join('/', file.Split('/')[..2]), Id: match.Groups[1].Value)))
            .ToLookup(found => found.Project, found => found.Id);
        Assert.InRange(ids.Count, 6, int.MaxValue);
        foreach (IGrouping<string, string> project in ids)
            Assert.Empty(project.GroupBy(id => id).Where(same => same.Count() > 1).Select(same => $"{project.Key}: {same.Key}"));
    }

    [Fact]
    public void Native_calls_stay_in_Interop() =>
        Assert.DoesNotContain(
            new[] { "operator", "runtime" }.SelectMany(folder => Repository.Files(folder, "*.cs")),
            f => !f.Contains("/Interop/", StringComparison.Ordinal) && NativeCall().IsMatch(Repository.Read(f)));

    [Fact]
    public void Paths_in_documents_exist()
    {
        foreach (string document in Repository.Files(".", "*.md"))
        {
            foreach (Match link in Link().Matches(Repository.Read(document)))
            {
                string target = Path.Combine(Repository.Root, Path.GetDirectoryName(document)!, link.Groups[1].Value); // a file always has a folder
                Assert.True(Path.Exists(target), $"{document} points at {link.Groups[1].Value}, which is not there");
            }
        }
    }

    private static IEnumerable<string> References(string project, string element) =>
        XDocument.Parse(Repository.Read(project)).Descendants(element).Select(e => e.Attribute("Include")?.Value ?? "");

    [GeneratedRegex(@"LoggerMessage\((?:EventId\s*=\s*)?(\d+)")]
    private static partial Regex EventId();

    [GeneratedRegex(@"(kubernetes|client|api)\w*\.(Create|Update|Apply|Patch|Delete)(Status)?Async|\.(Create|Patch|Replace|Delete)(Namespaced|Cluster)", RegexOptions.IgnoreCase)]
    private static partial Regex KubernetesWrite();

    [GeneratedRegex(@"\[(LibraryImport|DllImport)\(")]
    private static partial Regex NativeCall();

    [GeneratedRegex(@"\]\(([^)#:\s]+)\)")]
    private static partial Regex Link();
}
