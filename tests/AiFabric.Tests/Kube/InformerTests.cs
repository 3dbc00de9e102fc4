using System.Net;
using AiFabric.Kube;
using k8s.Models;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace AiFabric.Tests.Kube;

public sealed partial class InformerTests : IAsyncDisposable
{
    private readonly FakeApiServer _server = new();
    private readonly ObservedTime _time = new();
    private readonly InformerOptions _options = new() { PageSize = 2 };
    private readonly CancellationTokenSource _stop = new();
    private readonly List<string> _heard = [];
    private Task _loop = Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
        _server.Dispose();
    }

    [Fact]
    public async Task Informer_lists_in_pages_and_then_hears_additions_updates_and_deletions_in_order()
    {
        foreach (string name in (string[])["a", "b", "c", "d", "e"])
            _server.Put(Pod(name));
        Informer<V1Pod> informer = await StartSyncedAsync();

        Assert.Equal(5, informer.List().Count);
        Assert.Equal(3, _server.Seen(r => r.IsList).Length);
        Assert.Equal("v1", informer.Get(new NamespacedName("ns", "a"))!.ApiVersion);

        _server.Put(Pod("f"));
        _server.Put(Pod("a", "2"));
        _server.Remove<V1Pod>("b", "ns");
        await HeardAsync("Deleted b");
        Assert.Equal(["Added f", "Updated a from 1 to 2", "Deleted b"], Heard().TakeLast(3));
        Assert.Null(informer.Get(new NamespacedName("ns", "b")));
    }

    [Fact]
    public async Task Closed_watch_is_opened_again_where_it_ended_without_a_new_list()
    {
        _server.Put(Pod("a"));
        await StartSyncedAsync();
        _server.Put(Pod("b"));
        await HeardAsync("Added b");

        _server.CloseWatches();
        _server.Put(Pod("c"));
        await HeardAsync("Added c");
        Assert.Single(_server.Seen(r => r.IsList));
        Assert.Equal(1, Heard().Count(h => h == "Added b"));
    }

    [Fact]
    public async Task Broken_connection_is_opened_again_after_a_short_wait()
    {
        await StartSyncedAsync();
        _server.CloseWatches(new IOException("connection reset"));
        await _time.WaitForDelayAsync(_options.MinBackoff);
        _server.Put(Pod("a"));
        _time.Advance(_options.MinBackoff);
        await HeardAsync("Added a");
    }

    [Fact]
    public async Task First_list_and_first_watch_that_fail_are_retried()
    {
        _server.FailNext(r => r.IsList, HttpStatusCode.ServiceUnavailable, "ServiceUnavailable");
        _server.FailNext(r => r.IsWatch, () => throw new HttpRequestException("connection refused"));
        Informer<V1Pod> informer = Start();
        await _time.WaitForDelayAsync(_options.MinBackoff);
        Assert.False(informer.HasSynced);
        _time.Advance(_options.MinBackoff);
        await informer.WaitForSyncAsync(_stop.Token);

        await _time.WaitForDelayAsync(_options.MinBackoff * 2);
        _time.Advance(_options.MinBackoff * 2);
        await Until.TrueAsync(() => _server.OpenWatches == 1);
        _server.Put(Pod("a"));
        await HeardAsync("Added a");
    }

    [Fact]
    public async Task Waits_between_failures_double_up_to_their_bound()
    {
        for (int i = 0; i < 10; i++)
            _server.FailNext(r => r.IsList, HttpStatusCode.InternalServerError, "InternalError");
        Informer<V1Pod> informer = Start();
        double[] expected = [.2, .4, .8, 1.6, 3.2, 6.4, 10, 10, 10, 10];
        for (int i = 0; i < expected.Length; i++)
        {
            int failures = i + 1;
            await Until.TrueAsync(() => _time.Delays.Length == failures);
            Assert.Equal(TimeSpan.FromSeconds(expected[i]), _time.Delays[^1]);
            _time.Advance(_time.Delays[^1]);
        }
        await informer.WaitForSyncAsync(_stop.Token);
    }

    [Fact]
    public async Task Expired_resource_version_leads_to_a_new_list_that_reports_what_was_missed()
    {
        _server.Put(Pod("a"));
        _server.Put(Pod("b"));
        await StartSyncedAsync();
        // Between two watches: a deletion, a change and an addition, and the history of them is gone.
        _server.FailNext(r => r.IsWatch, HttpStatusCode.InternalServerError, "InternalError");
        _server.CloseWatches(new IOException("reset"));
        await _time.WaitForDelayAsync(_options.MinBackoff);
        _server.Remove<V1Pod>("a", "ns");
        _server.Put(Pod("b", "2"));
        _server.Put(Pod("c"));
        _server.Compact();
        _time.Advance(_options.MinBackoff);
        await _time.WaitForDelayAsync(_options.MinBackoff * 2);
        _time.Advance(_options.MinBackoff * 2);

        // No wait before the new list: the server is back.
        await HeardAsync("Deleted a");
        Assert.Equal(["Updated b from 1 to 2", "Added c", "Deleted a"], Heard().TakeLast(3));
        Assert.Equal(2, _server.Seen(r => r.IsList && !r.Query.ContainsKey("continue")).Length);
    }

    [Fact]
    public async Task Server_that_expires_every_watch_is_not_hammered()
    {
        _server.ExpireEveryWatch = true;
        Start();
        // The first 410 lists again at once; each next one waits, twice as long each time.
        await _time.WaitForDelayAsync(_options.MinBackoff);
        Assert.Equal(2, _server.Seen(r => r.IsList).Length);
        _time.Advance(_options.MinBackoff);
        await _time.WaitForDelayAsync(_options.MinBackoff * 2);
        Assert.Equal(3, _server.Seen(r => r.IsList).Length);

        _server.ExpireEveryWatch = false;
        _time.Advance(_options.MinBackoff * 2);
        await Until.TrueAsync(() => _server.OpenWatches == 1);
        _server.Put(Pod("a"));
        await HeardAsync("Added a");
    }

    [Fact]
    public async Task Server_that_closes_every_watch_at_once_is_not_hammered()
    {
        _server.CloseWatchesAtOnce = true;
        Start();
        await _time.WaitForDelayAsync(_options.MinBackoff);
        _time.Advance(_options.MinBackoff);
        await _time.WaitForDelayAsync(_options.MinBackoff * 2);
        Assert.Equal(2, _server.Seen(r => r.IsWatch).Length);
    }

    [Fact]
    public async Task Idle_watch_is_torn_down_and_opened_anew()
    {
        await StartSyncedAsync();
        _time.Advance(_options.IdleTimeout);
        await Until.TrueAsync(() => _server.Seen(r => r.IsWatch).Length == 2 && _server.OpenWatches == 1);
        _server.Put(Pod("a"));
        await HeardAsync("Added a");
        Assert.Single(_server.Seen(r => r.IsList));
    }

    [Fact]
    public async Task Bookmarks_keep_a_watch_alive_and_move_its_resource_version_on()
    {
        Informer<V1Pod> informer = await StartSyncedAsync();
        var changes = new List<StoreChangeKind>();
        using IDisposable subscription = informer.Subscribe(change => changes.Add(change.Kind));
        for (int i = 0; i < 3; i++)
        {
            _time.Advance(_options.IdleTimeout - TimeSpan.FromSeconds(1));
            _server.Bookmark();
            _server.Put(Pod("tick", i.ToString(System.Globalization.CultureInfo.InvariantCulture)));
            int heard = i + 1;
            await Until.TrueAsync(() => changes.Count == heard);
        }
        Assert.Single(_server.Seen(r => r.IsWatch));

        _server.Bookmark();
        // What the bookmark reached is still there, what was before it is not.
        _server.CloseWatches();
        await Until.TrueAsync(() => _server.OpenWatches == 1);
        string first = _server.Seen(r => r.IsWatch)[0].Query["resourceVersion"];
        Assert.True(long.Parse(_server.Seen(r => r.IsWatch)[1].Query["resourceVersion"], null) > long.Parse(first, null) + 3);
    }

    [Fact]
    public async Task A_kind_that_may_be_missing_counts_as_empty_until_the_server_has_it()
    {
        _server.Put(Pod("a"));
        _server.FailNext(request => request.IsList, HttpStatusCode.NotFound, "NotFound");
        Informer<V1Pod> informer = Start(new InformerScope(Optional: true));
        await informer.WaitForSyncAsync(_stop.Token);
        Assert.Equal((false, 0), (informer.IsServed, informer.List().Count));

        await _time.WaitForDelayAsync(_options.AbsentKindRecheck);
        _time.Advance(_options.AbsentKindRecheck);
        await HeardAsync("Added a");
        Assert.True(informer.IsServed);
    }

    private static V1Pod Pod(string name, string version = "1") => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = "ns", Labels = new Dictionary<string, string> { ["version"] = version } },
    };

    private async Task<Informer<V1Pod>> StartSyncedAsync()
    {
        Informer<V1Pod> informer = Start();
        await informer.WaitForSyncAsync(_stop.Token);
        await Until.TrueAsync(() => _server.OpenWatches == 1);
        return informer;
    }

    private Informer<V1Pod> Start(InformerScope? scope = null)
    {
        var informer = new Informer<V1Pod>(
            _server.Client(), scope ?? new InformerScope(), _options, _time, NullLogger<Informer<V1Pod>>.Instance);
        informer.Subscribe(Hear);
        _loop = Task.Run(() => informer.RunAsync(_stop.Token));
        return informer;
    }

    private void Hear(StoreChange<V1Pod> change)
    {
        string versions = change.Old is { } old ? $" from {old.Metadata.Labels["version"]} to {change.Object.Metadata.Labels["version"]}" : "";
        lock (_heard)
            _heard.Add($"{change.Kind} {change.Object.Metadata.Name}{versions}");
    }

    private string[] Heard()
    {
        lock (_heard)
            return [.. _heard];
    }

    private Task HeardAsync(string what) => Until.TrueAsync(() => Heard().Contains(what), what);
}
