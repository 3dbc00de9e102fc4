using System.Text.Json;
using AiFabric.Worker;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace AiFabric.Tests.Chart;

/// <summary>Dashboards and alerts speak of metrics that exist.</summary>
public sealed class MonitoringTests
{
    [Theory]
    [InlineData("gateway.json")]
    [InlineData("operator.json")]
    [InlineData("workers.json")]
    public async Task Dashboard_asks_only_for_registered_metrics(string file)
    {
        using JsonDocument dashboard = JsonDocument.Parse(ChartFiles.Read("dashboards", file));
        JsonElement root = dashboard.RootElement;
        string[] panels = [.. root.GetProperty("panels").EnumerateArray().SelectMany(panel => panel.GetProperty("targets").EnumerateArray())
            .Select(target => target.GetProperty("expr").GetString()!)]; // Each target has one.
        string[] variables = [.. root.GetProperty("templating").GetProperty("list").EnumerateArray()
            .Where(variable => variable.TryGetProperty("definition", out _)).Select(variable => variable.GetProperty("definition").GetString()!)];
        Assert.True(panels.Length >= 10, $"{panels.Length} expressions");
        await AssertRegisteredAsync([.. panels, .. variables]);
    }

    [Fact]
    public void Dashboards_are_all_tested_and_have_ids_of_their_own()
    {
        string[] files = Directory.GetFiles(Path.Combine(ChartFiles.Folder, "dashboards"));
        Assert.Equal(["gateway.json", "operator.json", "workers.json"], files.Select(Path.GetFileName).Order(StringComparer.Ordinal));
        string[] ids = [.. files.Select(file => JsonDocument.Parse(File.ReadAllText(file)).RootElement.GetProperty("uid").GetString()!)];
        Assert.Equal(ids, ids.Distinct());
        Assert.All(ids, id => Assert.True(id.Length <= 40, $"Grafana takes ids of at most 40 characters, not {id}"));
    }

    [Fact]
    public async Task Alerts_ask_only_for_registered_metrics()
    {
        YamlMappingNode[] rules = [.. Alerts()];
        Assert.True(rules.Length >= 10, $"{rules.Length} alerts");
        await AssertRegisteredAsync([.. rules.Select(rule => Text(rule, "expr"))]);
    }

    [Fact]
    public void Alerts_say_how_bad_it_is_and_what_to_do()
    {
        YamlMappingNode[] rules = [.. Alerts()];
        Assert.Equal(rules.Length, rules.Select(rule => Text(rule, "alert")).Distinct().Count());
        foreach (YamlMappingNode rule in rules)
        {
            Assert.StartsWith("AiFabric", Text(rule, "alert"), StringComparison.Ordinal);
            Assert.Contains(Text((YamlMappingNode)rule["labels"], "severity"), new[] { "critical", "warning" });
            Assert.NotEmpty(Text((YamlMappingNode)rule["annotations"], "summary"));
            Assert.NotEmpty(Text((YamlMappingNode)rule["annotations"], "description"));
        }
    }

    [Fact]
    public async Task Share_of_first_tokens_in_time_is_known_when_none_is()
    {
        var worker = new WorkerMetrics("model", TimeSpan.FromSeconds(1));
        worker.FirstToken(TimeSpan.FromSeconds(2));
        string text = await worker.ExportAsync(CancellationToken.None);
        Assert.Matches("""aifabric_worker_first_tokens_total\{[^}]*within_objective="true"[^}]*\} 0""", text);
        Assert.Matches("""aifabric_worker_first_tokens_total\{[^}]*within_objective="false"[^}]*\} 1""", text);
    }

    [Theory]
    [InlineData("sum by (a) (rate(x_total{code=~\"5..\"}[5m])) / max(y:z) > 0.05", "x_total y:z")]
    [InlineData("label_values(x_total{namespace=~\"$namespace\"}, model)", "x_total")]
    [InlineData("histogram_quantile(0.99, sum by (le) (rate(x_bucket[$__rate_interval])))", "x_bucket")]
    public void Metrics_are_told_from_functions_and_labels(string expression, string metrics) =>
        Assert.Equal(metrics, string.Join(' ', PromQl.MetricsOf(expression)));

    private static async Task AssertRegisteredAsync(IReadOnlyList<string> expressions)
    {
        HashSet<string> registered = await RegisteredMetrics.NamesAsync();
        foreach (string expression in expressions)
        {
            IReadOnlyCollection<string> asked = PromQl.MetricsOf(expression);
            Assert.True(asked.Count > 0, $"no metric in {expression}");
            Assert.True(asked.All(registered.Contains), $"{string.Join(", ", asked.Where(name => !registered.Contains(name)))} in {expression}: nobody registers it");
        }
    }

    private static IEnumerable<YamlMappingNode> Alerts()
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(ChartFiles.Read("files", "alerts.yaml")));
        return ((YamlSequenceNode)stream.Documents[0].RootNode["rules"]).Cast<YamlMappingNode>();
    }

    private static string Text(YamlMappingNode node, string key) => ((YamlScalarNode)node[key]).Value ?? "";
}
