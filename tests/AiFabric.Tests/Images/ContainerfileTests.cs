using System.Text.RegularExpressions;
using AiFabric.Tests.Chart;
using AiFabric.Tests.Layering;
using Xunit;

namespace AiFabric.Tests.Images;

/// <summary>The two ways to an image (Containerfiles for users, images/build.sh here) must make the same thing.</summary>
public sealed partial class ContainerfileTests
{
    private static readonly string BuildScript = Repository.Read("images/build.sh");

    private static readonly string PublishProject = Repository.Read("images/publish.proj");

    public static TheoryData<string> Components { get; } = ["operator", "gateway", "worker"];

    [Theory]
    [MemberData(nameof(Components))]
    public void Both_ways_publish_the_same_component_for_the_same_user_and_entry_point(string name)
    {
        string file = Containerfile(name);
        Assert.Contains($"images/publish.sh {name} /out", file, StringComparison.Ordinal);
        Assert.Contains($"COPY --from=build /out/{name}/app /app\n", file, StringComparison.Ordinal);
        Assert.Contains("images/publish.sh all ", BuildScript, StringComparison.Ordinal);
        Assert.Contains($"Include=\"{name}\"", PublishProject, StringComparison.Ordinal);
        Assert.Contains("images/runtime.sh /out/dotnet", file, StringComparison.Ordinal);

        Assert.Equal("USER 65532:65532", Last(file, "USER"));
        Assert.Equal($"ENTRYPOINT [\"/app/aifabric-{name}\"]", Last(file, "ENTRYPOINT"));
        Assert.Contains("--user 65532:65532", BuildScript, StringComparison.Ordinal);
        Assert.DoesNotContain("HEALTHCHECK", file, StringComparison.Ordinal); // Kubernetes probes; it ignores this one.
    }

    [Theory]
    [MemberData(nameof(Components))]
    public void Labels_tell_what_an_image_is(string name)
    {
        string file = Containerfile(name);
        foreach (string label in new[] { "title", "description", "version", "licenses" })
        {
            Assert.Contains($"org.opencontainers.image.{label}=", file, StringComparison.Ordinal);
            Assert.Contains($"org.opencontainers.image.{label}=", BuildScript, StringComparison.Ordinal);
        }
        string version = Version().Match(Repository.Read("Directory.Build.props")).Groups[1].Value;
        Assert.Contains($"ARG VERSION={version}\n", file, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Components))]
    public void What_a_Containerfile_copies_is_there(string name)
    {
        IEnumerable<string> sources = Copies().Matches(Containerfile(name)).Select(match => match.Groups[1].Value);
        Assert.All(sources, source => Assert.True(Path.Exists(Path.Combine(Repository.Root, source)), $"no {source}"));
        Assert.NotEmpty(sources);
    }

    [Theory]
    [InlineData("README.md")]
    [InlineData("docs/install.md")]
    public void A_page_brings_images_to_the_cluster_before_it_installs_the_chart(string page)
    {
        string text = Repository.Read(page);
        int import = text.IndexOf("for name in operator gateway worker; do ctr -n k8s.io images import artifacts/images/$name.tar; done\n", StringComparison.Ordinal);
        Assert.InRange(import, text.IndexOf("make images", StringComparison.Ordinal), text.IndexOf("helm install aifabric", StringComparison.Ordinal));
        Assert.Contains("\"$out/$name.tar\" \"docker.io/aifabric/$name:$version\"", BuildScript, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Components))]
    public void The_page_of_the_chart_names_an_images_tag_and_the_value_of_its_registry(string name)
    {
        string page = Repository.Read("docs/install.md"), values = ValuesTable.Of(Repository.Read("charts/aifabric/values.yaml"));
        string version = Version().Match(Repository.Read("Directory.Build.props")).Groups[1].Value;
        Assert.Contains($"docker push $registry/aifabric/$name:{version}\n", page, StringComparison.Ordinal);
        Assert.Contains($"--set {name}.image.registry=$registry", page, StringComparison.Ordinal);
        Assert.Contains($"| `{name}.image.registry` |", values, StringComparison.Ordinal);
        Assert.Contains($"| `{name}.image.repository` | `aifabric/{name}` |", values, StringComparison.Ordinal);
    }

    private static string Containerfile(string name) => Repository.Read($"images/{name}.Containerfile");

    private static string Last(string file, string instruction) => file.Split('\n').Last(line => line.StartsWith(instruction + " ", StringComparison.Ordinal));

    [GeneratedRegex(@"^COPY (?!--from)(\S+) ", RegexOptions.Multiline)]
    private static partial Regex Copies();

    [GeneratedRegex("<Version>(.*)</Version>")]
    private static partial Regex Version();
}
