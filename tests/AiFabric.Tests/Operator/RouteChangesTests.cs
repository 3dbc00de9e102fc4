using AiFabric.Operator;
using AiFabric.Operator.Gateways;
using AiFabric.Protocol.Gateway;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class RouteChangesTests
{
    private static readonly GatewayReplica Whole = new("g0", Report(Route("a"), Route("b", adapters: ["fr"])));

    [Fact]
    public void A_pod_a_revision_and_an_adapter_each_name_their_model()
    {
        Assert.Equal(["a", "b"], Changed([], [Whole]));
        Assert.Empty(Changed([Whole], [Whole]));
        Assert.Empty(Changed([Whole], [new("g0", Report(Route("b", adapters: ["fr"]), Route("a")))]));
        Assert.Equal(["a"], Changed([Whole], [new("g0", Report(Route("a", revision: "r2"), Route("b", adapters: ["fr"])))]));
        Assert.Equal(["b"], Changed([Whole], [new("g0", Report(Route("a"), Route("b")))]));
        Assert.Equal(["b"], Changed([Whole], [new("g0", Report(Route("a")))]));
    }

    [Fact]
    public void A_canary_names_its_model_when_it_comes_changes_or_goes()
    {
        var entry = new TrafficEntry { Namespace = "ns", Model = "a", IsMirror = false, Target = "b", Percent = 10, IsReady = true };
        GatewayReplica With(params TrafficEntry[] traffic) => new("g0", Whole.Report! with { Traffic = traffic }); // It has one.
        Assert.Equal(["a"], Changed([Whole], [With(entry)]));
        Assert.Equal(["a"], Changed([With(entry)], [With(entry with { IsReady = false })]));
        Assert.Equal(["a"], Changed([With(entry)], [Whole]));
        Assert.Empty(Changed([With(entry)], [With(entry with { })]));
    }

    [Fact]
    public void A_gateway_that_falls_silent_goes_or_comes_names_all_it_routes()
    {
        Assert.Equal(["a", "b"], Changed([Whole], [new("g0", null, "no answer")]));
        Assert.Equal(["a", "b"], Changed([Whole], []));
        Assert.Equal(["a", "b"], Changed([Whole], [Whole, Whole with { Name = "g1" }]));
    }

    [Fact]
    public async Task The_watch_tells_what_changed_and_outlives_a_bad_answer()
    {
        var gateways = new Gateways();
        var time = new FakeTimeProvider();
        var watch = new RouteWatch(gateways, Options.Create(new OperatorOptions { PollMilliseconds = 100 }), time, NullLogger<RouteWatch>.Instance);
        var heard = new List<string>();
        using var stop = new CancellationTokenSource();
        Task loop = watch.RunAsync(key => heard.Add(key.Name), stop.Token);
        gateways.View = new GatewayView([Whole]);
        await TickAsync();
        Assert.Equal(["a", "b"], heard);

        gateways.Error = new InvalidOperationException("bug");
        await TickAsync();
        gateways.Error = null;
        await TickAsync();
        Assert.Equal(2, heard.Count);
        gateways.View = GatewayView.None;
        await TickAsync();
        Assert.Equal(["a", "b", "a", "b"], heard);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => loop);

        async Task TickAsync()
        {
            int before = gateways.Asked;
            await Kube.Until.TrueAsync(() =>
            {
                time.Advance(TimeSpan.FromMilliseconds(100));
                return gateways.Asked > before + 1;
            });
        }
    }

    [Theory]
    [InlineData(10, 5)]
    [InlineData(500, 5)]
    [InlineData(2_000, 20)]
    public void With_many_objects_each_turn_comes_later(int objects, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), new OperatorOptions().Paced(TimeSpan.FromSeconds(5), objects));

    private static string[] Changed(GatewayReplica[] before, GatewayReplica[] after) =>
        [.. RouteChanges.Between(new GatewayView(before), new GatewayView(after)).Select(model => model.Name).Order(StringComparer.Ordinal)];

    private static RouteReport Report(params RouteEntry[] routes) => new() { Routes = routes };

    private static RouteEntry Route(string model, string revision = "r1", string[]? adapters = null) => new()
    {
        Namespace = "ns",
        Pod = model + "-0",
        PodUid = model + "-uid",
        Model = model,
        ServedName = model,
        Revision = revision,
        Adapters = adapters ?? [],
    };

    private sealed class Gateways : IGatewayDirectory
    {
        public GatewayView View { get; set; } = GatewayView.None;

        public Exception? Error { get; set; }

        public int Asked { get; private set; }

        public Task<GatewayView> AskAsync(CancellationToken cancellationToken)
        {
            Asked++;
            return Error is { } error ? throw error : Task.FromResult(View);
        }

        public Task<DemandView> AskDemandAsync(CancellationToken cancellationToken) => throw new NotSupportedException("routes alone are asked for");

        public Task<IReadOnlyList<PlacedOrder>> AskOrdersAsync(CancellationToken cancellationToken) => throw new NotSupportedException("routes alone are asked for");

        public Task RefuseAsync(PlacedOrder placed, string message, CancellationToken cancellationToken) => throw new NotSupportedException("routes alone are asked for");
    }
}
