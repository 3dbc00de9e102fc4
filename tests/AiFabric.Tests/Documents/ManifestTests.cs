using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AiFabric.Cli.Cluster;
using AiFabric.Crds.Schema;
using AiFabric.LocalCluster.Registry;
using AiFabric.LocalCluster.Schema;
using AiFabric.Tests.Layering;
using AiFabric.Tests.LocalCluster;
using Xunit;

namespace AiFabric.Tests.Documents;

/// <summary>Samples, and YAML in pages for users, are what the definitions allow.</summary>
public sealed partial class ManifestTests : IDisposable
{
    private readonly TestCluster _cluster = new();

    public ManifestTests()
    {
        foreach (JsonObject definition in CrdManifests.Read().Values.SelectMany(yaml => Manifests.Parse(yaml, "definition")))
            _cluster.Api.Create(_cluster.Type("customresourcedefinitions", "apiextensions.k8s.io"), null, definition);
    }

    public void Dispose() => _cluster.Dispose();

    [Fact]
    public void Samples_are_taken()
    {
        string[] files = [.. Repository.Files("samples", "*.yaml")];
        Assert.InRange(files.Length, 10, int.MaxValue);
        foreach (string file in files)
        {
            foreach (JsonObject sample in Manifests.Parse(Repository.Read(file), file))
                Take(sample, file);
        }
    }

    [Fact]
    public void Examples_in_pages_are_taken()
    {
        (string Page, JsonObject Example)[] examples =
        [
            .. from page in DocumentTests.Pages()
               from Match block in Block().Matches(Repository.Read(page))
               from example in Manifests.Parse(block.Groups[1].Value, page)
               select (page, example),
        ];
        Assert.InRange(examples.Length, 5, int.MaxValue);
        foreach ((string page, JsonObject example) in examples)
            Take(example.ContainsKey("kind") ? example : Whole(example, page), page);
    }

    [Theory]
    [InlineData("docs/coservedmodel.md", "coservedmodels")]
    [InlineData("docs/finetunejob.md", "finetunejobs")]
    public void Fields_exist_and_have_the_defaults_that_the_page_says(string page, string plural)
    {
        SchemaNode spec = _cluster.Types.Find("aifabric.io", plural)!.Shape!.Child("spec")!; // A definition has a schema, and it has a spec.
        int compared = 0;
        foreach (string row in Repository.Read(page).Split('\n').SkipWhile(line => line != "| field | default | meaning |").Skip(2).TakeWhile(line => line.Length > 0))
        {
            string[] cells = row.Split('|', StringSplitOptions.TrimEntries), values = cells[2].Split(", ");
            string[][] fields = [.. Quoted().Matches(cells[1]).Select(match => match.Groups[1].Value.Split('.'))];
            for (int i = 0; i < fields.Length; i++)
            {
                // A name alone is a neighbour of the first one.
                SchemaNode? field = Find(spec, fields[i]) ?? Find(spec, [.. fields[0][..^1], .. fields[i]]);
                Assert.True(field is not null, $"{page} has {string.Join('.', fields[i])}, which is no field");
                if (i >= values.Length || field.Default is not { } real || !Literal().IsMatch(values[i]))
                    continue;
                Assert.Equal($"{string.Join('.', fields[i])}: {values[i].Trim('`').Trim('"')}", $"{string.Join('.', fields[i])}: {real}");
                compared++;
            }
        }

        Assert.InRange(compared, 9, int.MaxValue);
    }

    private static SchemaNode? Find(SchemaNode from, string[] path) => path.Aggregate((SchemaNode?)from, (node, name) => node?.Child(name));

    /// <summary>An example that shows a part of a spec: of the kind that the page is about, with what else a model needs.</summary>
    private static JsonObject Whole(JsonObject part, string page)
    {
        Assert.Equal("docs/coservedmodel.md", page);
        part["apiVersion"] = "aifabric.io/v1alpha1";
        part["kind"] = "CoServedModel";
        part["metadata"] = new JsonObject { ["name"] = "example" };
        part["spec"]!["model"] = new JsonObject { ["uri"] = "file:///models/demo" };
        return part;
    }

    private void Take(JsonObject entity, string file)
    {
        (string version, string kind) = (entity["apiVersion"]!.GetValue<string>(), entity["kind"]!.GetValue<string>());
        ResourceType type = Assert.Single(_cluster.Api.Types, type => type.ApiVersion == version && type.Kind == kind);
        try
        {
            _cluster.Api.Create(type, "default", entity, new() { DryRun = true, Validation = FieldValidation.Strict });
        }
        catch (ApiException refused)
        {
            Assert.Fail($"{file}: {refused.Message}");
        }
    }

    [GeneratedRegex("`([A-Za-z.]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex("^(`[^`]+`|[0-9]+)$")]
    private static partial Regex Literal();

    [GeneratedRegex("^```yaml\\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Block();
}
