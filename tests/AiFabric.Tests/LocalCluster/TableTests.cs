using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;
using AiFabric.LocalCluster.Tables;
using Xunit;

namespace AiFabric.Tests.LocalCluster;

public sealed class TableTests
{
    [Theory]
    [InlineData(5, "5s")]
    [InlineData(119, "119s")]
    [InlineData(120, "2m")]
    [InlineData(125, "2m5s")]
    [InlineData(3600, "60m")]
    [InlineData(3 * 3600 + 60, "3h1m")]
    [InlineData(30 * 3600, "30h")]
    [InlineData(3 * 86400 + 3600, "3d1h")]
    [InlineData(30 * 86400, "30d")]
    public void Ages_read_as_kubectl_writes_them(int seconds, string expected) =>
        Assert.Equal(expected, HumanDuration.Write(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(".a.b", "1")]
    [InlineData("{.a.b}", "1")]
    [InlineData(".list[0].type", "Ready")]
    [InlineData(".list[-1].type", "Other")]
    [InlineData(".list[*].type", "Ready Other")]
    [InlineData(".list[?(@.type==\"Other\")].status", "False")]
    [InlineData(".list[?(@.type=='Ready')].status", "True")]
    [InlineData(".a['x.y']", "2")]
    [InlineData(".a.x\\.y", "2")]
    [InlineData(".missing.b", "")]
    public void Printer_columns_read_their_paths(string path, string expected)
    {
        var found = TestCluster.Json("""{"a":{"b":1,"x.y":2},"list":[{"type":"Ready","status":"True"},{"type":"Other","status":"False"}]}""");
        Assert.Equal(expected, string.Join(' ', FieldPath.Parse(path).Find(found).Select(one => one.ToString())));
    }

    [Fact]
    public void Custom_resources_show_their_columns()
    {
        using var cluster = new TestCluster();
        var widgets = cluster.DefineWidgets();
        cluster.Api.Create(widgets, "default", TestCluster.Widget("one", """{"size":4}"""));
        cluster.Apply(widgets, "one", """{"status":{"conditions":[{"type":"Ready","status":"True"}]}}""", "c", subresource: "status");
        var table = TablePrinter.Print(
            cluster.Types.Require(widgets), cluster.Api.List(widgets).Items, [], null, "v1", cluster.Clock.GetUtcNow());
        Assert.Equal(["Name", "Size", "Ready"], table.Items("columnDefinitions")!.Select(one => one.Text("name")));
        Assert.Equal("""["one",4,"True"]""", table.Items("rows")!.Single().Items("cells")!.ToJsonString());
    }

    [Theory]
    [InlineData("""{"spec":{}}""", "<none>")]
    [InlineData("""{"spec":{"readinessGates":[{"conditionType":"a"},{"conditionType":"b"}]},"status":{"conditions":[{"type":"a","status":"True"},{"type":"b","status":"False"}]}}""", "1/2")]
    public void Pods_show_how_many_of_their_readiness_gates_are_open(string pod, string expected)
    {
        var gates = PodColumns.All.Single(column => column.Name == "Readiness Gates");
        Assert.Equal(expected, gates.Cell(TestCluster.Json(pod), default)!.ToString());
    }

    [Theory]
    [InlineData("""{"status":{"phase":"Pending"}}""", "Pending")]
    [InlineData("""{"status":{"phase":"Running","containerStatuses":[{"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}}""", "CrashLoopBackOff")]
    [InlineData("""{"status":{"phase":"Failed","containerStatuses":[{"state":{"terminated":{"exitCode":3}}}]}}""", "ExitCode:3")]
    [InlineData("""{"metadata":{"deletionTimestamp":"x"},"status":{"phase":"Running"}}""", "Terminating")]
    public void Pods_show_the_most_telling_status(string pod, string expected)
    {
        var status = PodColumns.All.Single(column => column.Name == "Status");
        Assert.Equal(expected, status.Cell(TestCluster.Json(pod), DateTimeOffset.UnixEpoch)!.ToString());
    }

    [Theory]
    [InlineData("app=x", true)]
    [InlineData("app==x,tier", true)]
    [InlineData("app!=x", false)]
    [InlineData("!app", false)]
    [InlineData("!other", true)]
    [InlineData("app in (x, y),tier notin (back)", true)]
    [InlineData("tier notin (front)", false)]
    [InlineData("other!=x", true)]
    public void Label_selectors_select(string selector, bool expected) =>
        Assert.Equal(expected, Selector.Parse(selector, null).Matches(TestCluster.Json("""{"metadata":{"labels":{"app":"x","tier":"front"}}}""")));

    [Theory]
    [InlineData("metadata.name=a", true)]
    [InlineData("metadata.name!=a", false)]
    [InlineData("spec.nodeName=,metadata.name=a", true)]
    [InlineData("status.phase=Running", false)]
    public void Field_selectors_select(string selector, bool expected) =>
        Assert.Equal(expected, Selector.Parse(null, selector).Matches(TestCluster.Json("""{"metadata":{"name":"a"}}""")));

    [Fact]
    public void A_malformed_selector_is_a_bad_request() =>
        Assert.Equal(400, Assert.Throws<ApiException>(() => Selector.Parse("a=(", null)).Code);
}
