using AiFabric.Kube;
using k8s.Models;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace AiFabric.Tests.Kube;

/// <content>What a store holds and how it is looked up.</content>
public sealed partial class InformerTests
{
    [Fact]
    public async Task Object_created_again_under_its_name_is_a_deletion_and_an_addition()
    {
        _server.Put(Pod("a"));
        await StartSyncedAsync();
        V1Pod other = Pod("a", "2");
        other.Metadata.Uid = "another-life";
        _server.Put(other);
        await Until.TrueAsync(() => Heard().Length == 3);
        Assert.Equal(["Added a", "Deleted a", "Added a"], Heard());
    }

    [Fact]
    public async Task Objects_are_found_by_owner_and_by_own_index_as_they_change()
    {
        Informer<V1Pod> informer = await StartSyncedAsync();
        informer.AddIndex("version", pod => [pod.Metadata.Labels["version"]]);
        V1Pod owned = Pod("a");
        owned.Metadata.OwnerReferences = [new V1OwnerReference { Uid = "u1", Name = "o", Kind = "K", ApiVersion = "v1", Controller = true }];
        _server.Put(owned);
        await HeardAsync("Added a");
        Assert.Equal("a", Assert.Single(((IStore<V1Pod>)informer).OwnedBy("u1")).Metadata.Name);
        Assert.Single(informer.ByIndex("version", "1"));

        _server.Put(Pod("a", "2"));
        await HeardAsync("Updated a from 1 to 2");
        Assert.Empty(((IStore<V1Pod>)informer).OwnedBy("u1"));
        Assert.Empty(informer.ByIndex("version", "1"));
        Assert.Single(informer.ByIndex("version", "2"));
        Assert.Throws<ArgumentException>(() => informer.ByIndex("unknown", "x"));
    }

    [Fact]
    public async Task A_namespace_lists_its_own_objects_only_as_they_come_and_go()
    {
        Informer<V1Pod> informer = await StartSyncedAsync();
        V1Pod elsewhere = Pod("b");
        elsewhere.Metadata.NamespaceProperty = "other";
        _server.Put(Pod("a"));
        _server.Put(elsewhere);
        await HeardAsync("Added b");
        Assert.Equal("a", Assert.Single(informer.List("ns")).Metadata.Name);
        Assert.Equal("b", Assert.Single(informer.List("other")).Metadata.Name);
        Assert.Equal(2, informer.List().Count);
        Assert.Empty(informer.List("third"));
        Assert.Equal((2, 1, 0), (informer.Count, informer.CountByIndex(Indexes.Namespace, "ns"), informer.CountByIndex(Indexes.Namespace, "third")));

        _server.Remove<V1Pod>("b", "other");
        await HeardAsync("Deleted b");
        Assert.Empty(informer.List("other"));
    }

    [Fact]
    public async Task Registered_indexes_are_there_before_the_first_reader_asks()
    {
        await using ServiceProvider services = new ServiceCollection()
            .AddInformerIndex<V1Pod>("version", pod => [pod.Metadata.Labels["version"]])
            .AddSingleton<IKubernetesClient>(_server.Client())
            .AddInformer<V1Pod>("ns")
            .BuildServiceProvider();
        var informer = services.GetRequiredService<Informer<V1Pod>>();
        Assert.Empty(informer.ByIndex("version", "1"));
        _server.Put(Pod("a"));
        _loop = informer.RunAsync(_stop.Token);
        await informer.WaitForSyncAsync(_stop.Token);
        Assert.Equal("a", Assert.Single(informer.ByIndex("version", "1")).Metadata.Name);
    }

    [Fact]
    public async Task Scope_limits_the_namespace_and_passes_the_selector_on()
    {
        _server.Put(Pod("a"));
        V1Pod elsewhere = Pod("b");
        elsewhere.Metadata.NamespaceProperty = "other";
        _server.Put(elsewhere);
        Informer<V1Pod> informer = Start(new InformerScope("other", "app=x"));
        await informer.WaitForSyncAsync(_stop.Token);
        Assert.Equal("b", Assert.Single(informer.List()).Metadata.Name);
        await Until.TrueAsync(() => _server.OpenWatches == 1);
        Assert.All(_server.Seen(), r => Assert.Equal(("app=x", "other"), (r.Query["labelSelector"], r.Namespace)));
    }

    [Fact]
    public async Task Subscriber_that_throws_does_not_stop_the_others()
    {
        Informer<V1Pod> informer = await StartSyncedAsync();
        using IDisposable bad = informer.Subscribe(_ => throw new InvalidOperationException("bad subscriber"));
        _server.Put(Pod("a"));
        _server.Put(Pod("b"));
        await HeardAsync("Added b");
        Assert.Equal(2, informer.List("ns").Count);
    }
}
