using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;
using Xunit;

namespace AiFabric.Tests.LocalCluster;

public sealed class WatchTests
{
    [Fact]
    public async Task A_watch_resumes_after_a_restart_where_the_list_ended()
    {
        var folder = Directory.CreateTempSubdirectory("aifabric-cluster-").FullName;
        try
        {
            long revision;
            using (var before = new TestCluster(folder))
            {
                var type = before.DefineWidgets();
                (_, revision) = before.Api.List(type);
                before.Api.Create(type, "default", TestCluster.Widget("one", """{"size":1}"""));
            }

            using var after = new TestCluster(folder);
            var widgets = after.Type("widgets", "example.io");
            after.Api.Delete(widgets, "default", "one");
            var seen = await TakeAsync(after.Api.WatchAsync(widgets, "default", revision, CancellationToken.None), 2);
            Assert.Equal([("ADDED", "one"), ("DELETED", "one")], seen.Select(change => (change.Type, change.Object.Text("metadata", "name"))));
            Assert.True(seen[0].Revision < seen[1].Revision);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_watch_from_compacted_history_is_told_to_list_again()
    {
        using var cluster = new TestCluster(keepEvents: 100);
        var maps = cluster.Type("configmaps");
        var (_, revision) = cluster.Api.List(maps);
        for (var i = 0; i < 150; i++)
            cluster.Api.Create(maps, "default", TestCluster.Json($$"""{"metadata":{"name":"c{{i}}"} }"""));
        var problem = await Assert.ThrowsAsync<ApiException>(() => TakeAsync(cluster.Api.WatchAsync(maps, null, revision, CancellationToken.None), 1));
        Assert.Equal((410, "Expired"), (problem.Code, problem.Reason));
    }

    [Fact]
    public async Task An_object_that_stops_matching_the_selector_leaves_the_watch()
    {
        using var cluster = new TestCluster();
        var maps = cluster.Type("configmaps");
        var (_, revision) = cluster.Api.List(maps);
        var made = cluster.Api.Create(maps, "default", TestCluster.Json("""{"metadata":{"name":"c","labels":{"a":"1"}}}"""));
        made["metadata"]!["labels"]!["a"] = "2";
        cluster.Api.Update(maps, "default", "c", made);
        var watch = cluster.Api.WatchAsync(maps, null, Selector.Parse("a=1", null), revision, TimeSpan.FromMinutes(1), CancellationToken.None);
        Assert.Equal(["ADDED", "DELETED"], (await TakeAsync(watch, 2)).Select(change => change.Type));
    }

    private static async Task<List<ClusterEvent>> TakeAsync(IAsyncEnumerable<ClusterEvent> watch, int count)
    {
        var seen = new List<ClusterEvent>();
        await foreach (var change in watch)
        {
            seen.Add(change);
            if (seen.Count == count)
                break;
        }

        return seen;
    }
}
