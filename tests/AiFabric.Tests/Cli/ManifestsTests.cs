using System.Text.Json.Nodes;
using AiFabric.Cli;
using AiFabric.Cli.Cluster;
using Xunit;

namespace AiFabric.Tests.Cli;

public sealed class ManifestsTests
{
    [Fact]
    public void Documents_and_lists_come_apart_into_objects()
    {
        IReadOnlyList<JsonObject> objects = Manifests.Parse(
            """
            kind: A
            ---
            # nothing but a comment
            ---
            kind: List
            items:
              - {kind: B}
              - {kind: C}
            """,
            "test");
        Assert.Equal(["A", "B", "C"], objects.Select(o => o["kind"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData("1", "1")]
    [InlineData("\"1\"", "\"1\"")]
    [InlineData("1.5", "1.5")]
    [InlineData("true", "true")]
    [InlineData("'true'", "\"true\"")]
    [InlineData("yes", "\"yes\"")]
    [InlineData("127.0.0.1", "\"127.0.0.1\"")]
    [InlineData("~", "null")]
    [InlineData("[a, 2]", "[\"a\",2]")]
    public void Plain_scalars_follow_the_core_schema_of_YAML(string yaml, string json) =>
        Assert.Equal($"{{\"x\":{json}}}", Manifests.Parse($"x: {yaml}", "test").Single().ToJsonString());

    [Fact]
    public void Broken_YAML_is_refused_with_its_line()
    {
        CliException refused = Assert.Throws<CliException>(() => Manifests.Parse("a: 1\nb: [", "file.yaml"));
        Assert.StartsWith("file.yaml: line ", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_or_a_file_without_objects_is_refused()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("aifabric-manifests-");
        try
        {
            Assert.Equal($"{folder.FullName} holds no objects", Assert.Throws<CliException>(() => Manifests.Load(folder.FullName)).Message);
            string file = Path.Combine(folder.FullName, "a.yaml");
            File.WriteAllText(file, "# nothing but a comment");
            Assert.Equal($"{file} holds no objects", Assert.Throws<CliException>(() => Manifests.Load(file)).Message);
            File.WriteAllText(file, "kind: A");
            Assert.Single(Manifests.Load(folder.FullName));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void A_document_that_is_no_object_is_refused() =>
        Assert.Contains("not an object", Assert.Throws<CliException>(() => Manifests.Parse("- a", "f")).Message, StringComparison.Ordinal);
}
