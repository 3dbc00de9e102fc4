using AiFabric.Crds.CoServedModels;
using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Traffic;
using AiFabric.Protocol.Gateway;
using AiFabric.Tests.Operator;
using Xunit;

namespace AiFabric.Tests.Gateway.Traffic;

/// <summary>What a gateway reads of canaries and mirrors, and what it tells of them.</summary>
public sealed class TrafficShareTests
{
    private static readonly ModelKey Demo = new(Make.Space, "demo");

    [Fact]
    public void A_model_is_read_with_its_canary_and_its_mirror()
    {
        DeclaredModel demo = Read(Make.Model(spec => spec.Routing = Routing(Traffic("next", 10), Traffic("demo", 5, "french"))), Make.Model(name: "next"));

        Assert.Equal(new TrafficShare(new ModelKey(Make.Space, "next"), null, 10), demo.Canary);
        Assert.Equal(new TrafficShare(Demo, "french", 5), demo.Mirror);
        Assert.Equal(("next", "demo:french"), (demo.Canary!.Target, demo.Mirror!.Target));
    }

    [Fact]
    public void What_leads_back_to_the_model_is_no_share_and_what_leads_into_a_circle_of_others_is()
    {
        CoServedModel itself = Make.Model(spec => spec.Routing = Routing(Traffic("demo", 10)));
        CoServedModel toNext = Make.Model(spec => spec.Routing = Routing(Traffic("next", 10)));
        CoServedModel next = Make.Model(spec => spec.Routing = Routing(mirror: Traffic("demo", 10)), name: "next");
        CoServedModel outside = Make.Model(spec => spec.Routing = Routing(Traffic("demo", 10)), name: "outside");

        Assert.Null(Read(itself).Canary);
        Dictionary<ModelKey, DeclaredModel> circle = DeclaredModel.Read([toNext, next, outside], []);
        Assert.Null(circle[Demo].Canary);
        Assert.Null(circle[new ModelKey(Make.Space, "next")].Mirror);
        Assert.NotNull(circle[new ModelKey(Make.Space, "outside")].Canary);
    }

    [Fact]
    public void The_report_says_whether_there_is_a_worker_to_send_to()
    {
        Dictionary<ModelKey, DeclaredModel> declared = DeclaredModel.Read(
            [Make.Model(spec => spec.Routing = Routing(Traffic("next", 10), Traffic("next", 5, "french"))), Make.Model(name: "next")], []);
        var canary = new TrafficEntry { Namespace = Make.Space, Model = "demo", IsMirror = false, Target = "next", Percent = 10, IsReady = false };
        var mirror = new TrafficEntry { Namespace = Make.Space, Model = "demo", IsMirror = true, Target = "next", Adapter = "french", Percent = 5, IsReady = false };

        Assert.Equal([canary, mirror], TrafficReport.Of(new RoutingTable([], declared)));
        Assert.Equal([canary with { IsReady = true }, mirror], TrafficReport.Of(new RoutingTable([Worker()], declared)));
        Assert.Equal([canary with { IsReady = true }, mirror with { IsReady = true }], TrafficReport.Of(new RoutingTable([Worker("french")], declared)));
        Assert.Null(TrafficReport.Of(new RoutingTable([Worker()], DeclaredModel.Read([Make.Model(name: "next")], []))));
    }

    private static DeclaredModel Read(params CoServedModel[] models) => DeclaredModel.Read(models, [])[Demo];

    private static RoutingSpec Routing(TrafficSpec? canary = null, TrafficSpec? mirror = null) => new() { Canary = canary, Mirror = mirror };

    private static TrafficSpec Traffic(string model, int percent, string? adapter = null) =>
        new() { ModelRef = new TrafficTarget { Name = model, Adapter = adapter }, Percent = percent };

    private static WorkerEndpoint Worker(params string[] adapters) => new(
        new WorkerPod
        {
            Uid = "uid",
            Name = "next-0",
            Model = new ModelKey(Make.Space, "next"),
            ServedName = "next",
            Revision = "r1",
            Address = new Uri("http://127.0.0.1:1"),
        },
        adapters,
        new InFlightCounter());
}
