using Xunit;
using YamlDotNet.RepresentationModel;

namespace AiFabric.Tests.Chart;

public sealed class ChartReadmeTests
{
    private const string Begin = "<!-- values: written by the tests from values.yaml -->\n";
    private const string End = "<!-- end of values -->";

    [Fact]
    public void Table_of_values_is_what_values_yaml_says()
    {
        string readme = ChartFiles.Read("README.md");
        int begin = readme.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length, end = readme.IndexOf(End, StringComparison.Ordinal);
        string wanted = ValuesTable.Of(ChartFiles.Read("values.yaml"));
        if (Environment.GetEnvironmentVariable("AIFABRIC_UPDATE_GOLDEN") == "1")
            File.WriteAllText(Path.Combine(ChartFiles.Folder, "README.md"), readme[..begin] + wanted + readme[end..]);
        else
            Assert.True(wanted == readme[begin..end], "The table in the chart's README is stale: run the tests with AIFABRIC_UPDATE_GOLDEN=1.");
    }

    [Fact]
    public void Every_value_is_described() => Assert.Empty(ValuesTable.Silent(ChartFiles.Read("values.yaml")));

    [Fact]
    public void Chart_and_sub_chart_carry_the_version_of_the_program()
    {
        string props = File.ReadAllText(Path.Combine(ChartFiles.Repository, "Directory.Build.props"));
        string version = props.Split("<Version>")[1].Split("</Version>")[0];
        foreach (YamlNode chart in new[] { Yaml("Chart.yaml"), Yaml("charts", "aifabric-crds", "Chart.yaml") })
        {
            Assert.Equal(version, ((YamlScalarNode)chart["version"]).Value);
            Assert.Equal(version, ((YamlScalarNode)chart["appVersion"]).Value);
        }
        Assert.Equal(version, ((YamlScalarNode)Yaml("Chart.yaml")["dependencies"][0]["version"]).Value);
    }

    private static YamlNode Yaml(params string[] path)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(ChartFiles.Read(path)));
        return stream.Documents[0].RootNode;
    }
}
