using System.Collections;
using System.Globalization;
using System.Text.RegularExpressions;
using AiFabric.Gateway;
using AiFabric.Gateway.AsyncRuns;
using AiFabric.Operator;
using AiFabric.Tests.Chart;
using AiFabric.Tests.Layering;
using Xunit;

namespace AiFabric.Tests.Documents;

/// <summary>What the pages for users name is there: settings and their defaults, metrics, options of our programs, lines of Helm.</summary>
public sealed partial class DocumentTests
{
    private static readonly Dictionary<string, object[]> Sections = new()
    {
        ["Gateway"] = [new GatewayOptions(), new RunOptions()],
        ["Operator"] = [new OperatorOptions()],
    };

    /// <summary>Options of kubectl and Helm that the pages speak of.</summary>
    private static readonly string[] Others = ["--dry-run", "--validate"];

    [Fact]
    public void Settings_exist()
    {
        (string Page, string Name)[] named = [.. Named(Setting())];
        Assert.InRange(named.Length, 40, int.MaxValue);
        Assert.Empty(named.Where(one => !TryDefault(one.Name, out _)).Select(one => $"{one.Page}: {one.Name}"));
    }

    [Fact]
    public void Settings_have_the_defaults_that_the_tables_say()
    {
        int compared = 0;
        foreach (string[] cells in Pages().SelectMany(page => Repository.Read(page).Split('\n')).Select(line => line.Split('|', StringSplitOptions.TrimEntries)).Where(cells => cells.Length > 3))
        {
            string[] names = [.. Setting().Matches(cells[1]).Select(match => match.Value)], values = cells[2].Split(", ");
            foreach ((string name, string value) in names.Zip(values).Where(pair => Literal().IsMatch(pair.Second)))
            {
                Assert.True(TryDefault(name, out object? real), name);
                Assert.Equal($"{name} {value.Trim('`')}", string.Create(CultureInfo.InvariantCulture, $"{name} {(real is bool flag ? (flag ? "true" : "false") : real)}"));
                compared++;
            }
        }

        Assert.InRange(compared, 15, int.MaxValue);
    }

    [Fact]
    public async Task Metrics_are_registered()
    {
        HashSet<string> registered = await RegisteredMetrics.NamesAsync();
        (string Page, string Name)[] named = [.. Named(Metric())];
        Assert.InRange(named.Length, 15, int.MaxValue);
        Assert.Empty(named.Where(one => !registered.Contains(one.Name) && !registered.Contains(one.Name + "_bucket")).Select(one => $"{one.Page}: {one.Name}"));
    }

    [Fact]
    public void Options_are_those_of_our_programs()
    {
        string[] programs =
        [
            .. Repository.Files("operator/AiFabric.Cli/Verbs", "*.cs"), "operator/AiFabric.LocalCluster/Hosting/LocalClusterOptions.cs",
            "runtime/AiFabric.Worker/CommandLine/ServeCommand.cs",
        ];
        string known = string.Concat(programs.Select(Repository.Read));
        (string Page, string Name)[] named = [.. Named(Option()).Where(one => !Others.Contains(one.Name))];
        Assert.InRange(named.Length, 12, int.MaxValue);
        Assert.Empty(named.Where(one => !known.Contains($"\"{one.Name}\"", StringComparison.Ordinal)).Select(one => $"{one.Page}: {one.Name}"));
    }

    [Fact]
    public void A_release_is_changed_in_its_namespace_and_keeps_its_values()
    {
        string[] lines = [.. Named(Upgrade()).Select(one => one.Name)];
        Assert.InRange(lines.Length, 4, int.MaxValue);
        Assert.All(lines, line => Assert.Matches("--namespace aifabric-system .*reuse-values", line));
    }

    /// <summary>README, the pages of docs/ and that of the chart: not what was decided or measured once.</summary>
    internal static IEnumerable<string> Pages() =>
        ["README.md", "charts/aifabric/README.md", .. Repository.Files("docs", "*.md").Where(page => page.Split('/').Length == 2)];

    private static IEnumerable<(string Page, string Name)> Named(Regex name) =>
        from page in Pages()
        from Match match in name.Matches(Repository.Read(page))
        select (page, match.Groups[^1].Value);

    /// <summary>The default of <c>Section:Name</c> or <c>Section__Part__Name</c>; false when there is no such setting.</summary>
    private static bool TryDefault(string setting, out object? value)
    {
        string[] path = setting.Replace("__", ":", StringComparison.Ordinal).Split(':', StringSplitOptions.RemoveEmptyEntries);
        foreach (object section in Sections[path[0]])
        {
            if (TryBelow(section, path.AsSpan(1), out value))
                return true;
        }

        value = null;
        return false;
    }

    private static bool TryBelow(object? place, ReadOnlySpan<string> path, out object? value)
    {
        value = place;
        return path.IsEmpty || place is IDictionary or IList // whoever sets them names their entries
            || (place?.GetType().GetProperty(path[0]) is { } property && TryBelow(property.GetValue(place), path[1..], out value));
    }

    [GeneratedRegex(@"\b(?:Gateway|Operator)(?:(?::|__)[A-Z][A-Za-z_0-9]*)+")]
    private static partial Regex Setting();

    [GeneratedRegex(@"^(`[^`]+`|[0-9]+)$")]
    private static partial Regex Literal();

    [GeneratedRegex("(?:aifabric_(?:gateway|operator|engine|worker)_|vllm:)[a-z_]+")]
    private static partial Regex Metric();

    [GeneratedRegex("`(--[a-z][a-z-]+)")]
    private static partial Regex Option();

    [GeneratedRegex("helm upgrade [^`\\n]+")]
    private static partial Regex Upgrade();
}
