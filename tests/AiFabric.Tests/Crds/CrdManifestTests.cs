using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Schema;
using Xunit;

namespace AiFabric.Tests.Crds;

public sealed class CrdManifestTests
{
    [Theory]
    [InlineData("crds/manifests")]
    [InlineData("charts/aifabric/charts/aifabric-crds/files")]
    public void Checked_in_manifests_are_what_the_types_say(string checkedIn)
    {
        string folder = Path.Combine(RepositoryRoot(), checkedIn);
        IReadOnlyDictionary<string, string> built = new CrdBuilder(typeof(CoServedModel).Assembly).BuildAll();
        Assert.Equal(built.Keys, Directory.EnumerateFiles(folder, "*.yaml").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        foreach ((string name, string yaml) in built)
            Assert.True(File.ReadAllText(Path.Combine(folder, name)) == yaml, $"{name} is stale: run `make crds` and commit the result.");
    }

    [Fact]
    public void Building_twice_gives_the_same_bytes() => Assert.Equal(
        new CrdBuilder(typeof(CoServedModel).Assembly).BuildAll(), new CrdBuilder(typeof(CoServedModel).Assembly).BuildAll());

    [Fact]
    public void Assembly_carries_the_manifests_for_those_who_install_them() => Assert.Equal(
        new CrdBuilder(typeof(CoServedModel).Assembly).BuildAll(), CrdManifests.Read());

    [Fact]
    public void Instructions_to_remove_everything_name_every_definition()
    {
        string[] names =
        [
            .. CrdManifests.Read().Keys.Select(file => Path.GetFileNameWithoutExtension(file).Split('_'))
                .Select(parts => $"{parts[1]}.{parts[0]}").Order(StringComparer.Ordinal),
        ];
        string[][] commands =
        [
            .. File.ReadLines(Path.Combine(RepositoryRoot(), "docs", "install.md"))
                .Where(line => line.StartsWith("kubectl delete ", StringComparison.Ordinal)).Select(line => line.Split(' ')),
        ];
        Assert.Equal(2, commands.Length);
        Assert.Equal(names, commands[0][2].Split(',').Order(StringComparer.Ordinal));
        Assert.Equal(names, commands[1][3..].Order(StringComparer.Ordinal));
    }

    private static string RepositoryRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "AiFabric.sln")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("The tests run outside the repository.");
    }
}
