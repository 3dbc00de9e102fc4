using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.Kube;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Kube;

/// <content>Objects that the server keeps and their type does not fit.</content>
public sealed partial class InformerTests
{
    [Fact]
    public async Task Object_that_cannot_be_read_hides_no_other_in_list_and_watch()
    {
        _server.Put(Pod("listed"));
        await SpoilAsync("listed");
        _server.Put(Pod("a"));
        Informer<V1Pod> informer = await StartSyncedAsync();
        Assert.Equal("a", Assert.Single(informer.List()).Metadata.Name);

        _server.Put(Pod("watched"));
        await SpoilAsync("watched");
        _server.Put(Pod("b"));
        await HeardAsync("Added b");
        Assert.Single(_server.Seen(r => r.IsList));
        Assert.Single(_server.Seen(r => r.IsWatch));
    }

    [Fact]
    public async Task Object_that_becomes_unreadable_stays_as_it_was_read_until_it_is_deleted()
    {
        var key = new NamespacedName("ns", "a");
        _server.Put(Pod("a"));
        Informer<V1Pod> informer = await StartSyncedAsync();
        await SpoilAsync("a");
        _server.Put(Pod("b"));
        await HeardAsync("Added b");
        // A new list cannot show it either.
        _server.Compact();
        _server.CloseWatches();
        await Until.TrueAsync(() => _server.Seen(r => r.IsList).Length == 2 && _server.OpenWatches == 1);
        Assert.Equal(["Added a", "Added b"], Heard());
        Assert.Null(informer.Get(key)!.Spec); // It was read before it was spoiled.

        _server.Remove<V1Pod>("a", "ns");
        await HeardAsync("Deleted a");
        Assert.Null(informer.Get(key));
    }

    /// <summary>Somebody writes a quantity that is none into the pod: the server keeps it.</summary>
    private async Task SpoilAsync(string name)
    {
        var spec = JsonNode.Parse("""{"volumes":[{"name":"tmp","emptyDir":{"sizeLimit":"20GB"}}]}""");
        await Assert.ThrowsAsync<JsonException>(() => _server.Client().PatchAsync<V1Pod>(name, "ns", new JsonObject { ["spec"] = spec }));
    }
}
