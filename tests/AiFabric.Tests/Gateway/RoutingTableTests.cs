using AiFabric.Crds.CoServedModels;
using AiFabric.Gateway.Routing;
using Xunit;

namespace AiFabric.Tests.Gateway;

public sealed class RoutingTableTests
{
    private static readonly Dictionary<ModelKey, DeclaredModel> Declared = new()
    {
        [new ModelKey("a", "small")] = new DeclaredModel("small") { Adapters = new HashSet<string> { "declared" } },
        [new ModelKey("b", "large")] = new DeclaredModel("large"),
        [new ModelKey("b", "off")] = new DeclaredModel("off") { IsStopped = true },
    };

    private static WorkerEndpoint Worker(string uid, string ns = "a", string model = "small", params string[] adapters) => new(
        new WorkerPod
        {
            Uid = uid,
            Name = uid,
            Model = new ModelKey(ns, model),
            ServedName = model,
            Revision = "r1",
            Address = new Uri("http://127.0.0.1:1"),
        },
        adapters,
        new InFlightCounter());

    private static RouteChoice Find(string name, params WorkerEndpoint[] workers) =>
        new RoutingTable(workers, Declared).Find(ModelName.Parse(name));

    [Fact]
    public void A_name_finds_all_workers_of_its_model()
    {
        var to = Assert.IsType<RouteChoice.To>(Find("small", Worker("1"), Worker("2"), Worker("3", "b", "large")));
        Assert.Equal(["1", "2"], to.Workers.Select(w => w.Pod.Uid));
    }

    [Fact]
    public void A_name_may_be_qualified_by_its_namespace() =>
        Assert.IsType<RouteChoice.To>(Find("a/small", Worker("1")));

    [Fact]
    public void An_adapter_finds_only_workers_that_hold_it()
    {
        var to = Assert.IsType<RouteChoice.To>(Find("small:fr", Worker("1"), Worker("2", adapters: "fr")));
        Assert.Equal(["2"], to.Workers.Select(w => w.Pod.Uid));
    }

    [Fact]
    public void An_adapter_that_nobody_holds_is_unknown() =>
        Assert.Equal("de", Assert.IsType<RouteChoice.UnknownAdapter>(Find("small:de", Worker("1", adapters: "fr"))).Adapter);

    [Fact]
    public void An_adapter_that_is_declared_and_not_loaded_yet_is_not_ready()
    {
        Assert.Equal(new ModelKey("a", "small"), Assert.IsType<RouteChoice.NotReady>(Find("small:declared", Worker("1"))).Model);
        Assert.IsType<RouteChoice.NotReady>(Find("small:declared"));
        Assert.IsType<RouteChoice.UnknownAdapter>(Find("small:other"));
    }

    [Fact]
    public void A_declared_model_without_workers_is_not_ready() =>
        Assert.Equal(new ModelKey("b", "large"), Assert.IsType<RouteChoice.NotReady>(Find("large")).Model);

    [Fact]
    public void A_model_that_its_owner_set_to_zero_is_stopped_once_its_last_worker_has_gone()
    {
        Assert.IsType<RouteChoice.Stopped>(Find("off"));
        Assert.IsType<RouteChoice.To>(Find("off", Worker("1", "b", "off")));
    }

    [Fact]
    public void A_name_nobody_declared_is_unknown() => Assert.IsType<RouteChoice.UnknownModel>(Find("nothing", Worker("1")));

    [Fact]
    public void A_name_that_two_namespaces_serve_is_ambiguous_until_qualified()
    {
        WorkerEndpoint[] workers = [Worker("1"), Worker("2", "b")];
        Assert.Equal(["a/small", "b/small"], Assert.IsType<RouteChoice.Ambiguous>(Find("small", workers)).Candidates);
        Assert.Equal("2", Assert.Single(Assert.IsType<RouteChoice.To>(Find("b/small", workers)).Workers).Pod.Uid);
    }

    [Theory]
    [InlineData("small")]
    [InlineData("a/small")]
    [InlineData("renamed")]
    [InlineData("a/renamed")]
    public void While_a_model_changes_its_name_its_workers_are_found_by_both(string name)
    {
        var table = new RoutingTable([Worker("1"), Worker("2")], new Dictionary<ModelKey, DeclaredModel> { [new ModelKey("a", "small")] = new("renamed") });
        Assert.Equal(["1", "2"], Assert.IsType<RouteChoice.To>(table.Find(ModelName.Parse(name))).Workers.Select(w => w.Pod.Uid));
    }

    private static RouteQuery Query(uint turn) => new(RoutingPolicy.LeastLoad, PromptBytes: 0, Beginning: null, Session: null, turn);

    [Fact]
    public void The_least_loaded_untried_worker_is_picked()
    {
        WorkerEndpoint busy = Worker("busy"), idle = Worker("idle");
        busy.InFlight.Begin();
        for (uint turn = 0; turn < 4; turn++)
        {
            Assert.Same(idle, RoutingTable.Pick([busy, idle], [], Query(turn), null));
            Assert.Same(busy, RoutingTable.Pick([busy, idle], ["idle"], Query(turn), null));
            Assert.Null(RoutingTable.Pick([busy, idle], ["idle", "busy"], Query(turn), null));
        }
    }
}
