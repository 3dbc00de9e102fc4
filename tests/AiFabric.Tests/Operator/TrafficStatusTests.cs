using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Models;
using AiFabric.Protocol.Gateway;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

/// <summary>What a model's status says of its canary and its mirror.</summary>
public sealed class TrafficStatusTests
{
    private static readonly ModelPlan Planned = new() { Replicas = 1, Revision = "r1" };

    /// <summary>Each state of the world, worst first, and the reason that CanaryActive then gives. The canary is <c>next:french</c>.</summary>
    private static readonly (string Reason, ModelObservation Observed, ModelPlan Plan)[] Ladder =
    [
        (Reasons.InvalidSpec, Seen(), Planned with { Refusal = Check.Fail(Reasons.InvalidSpec, "no") }),
        (Reasons.CircularRouting, Seen(next: spec => spec.Routing = new RoutingSpec { Mirror = Traffic("demo") }), Planned),
        (Reasons.ModelNotFound, Seen() with { Targets = TrafficTargets.None }, Planned),
        (Reasons.AdapterNotFound, Seen(adapter: _ => null), Planned),
        (Reasons.AdapterNotFound, Seen(adapter: one => OfModel(one, "demo")), Planned),
        (Reasons.NoGateway, Seen() with { Gateways = GatewayView.None }, Planned),
        (Reasons.GatewayUnreachable, Seen() with { Gateways = new([Gateway(Entry()), new("g1", null, "refused")]) }, Planned),
        (Reasons.NotRouted, Seen() with { Gateways = new([Gateway(Entry()), Gateway()]) }, Planned),
        (Reasons.NotRouted, Seen() with { Gateways = new([Gateway(Entry() with { Percent = 20 })]) }, Planned),
        (Reasons.NotRouted, Seen() with { Gateways = new([Gateway(Entry() with { Adapter = null })]) }, Planned),
        (Reasons.NotRouted, Seen() with { Gateways = new([Gateway(Entry() with { IsMirror = true })]) }, Planned),
        (Reasons.NotRouted, Seen() with { Gateways = new([Gateway(Entry() with { Namespace = "other" })]) }, Planned),
        (Reasons.ModelNotReady, Seen() with { Gateways = new([Gateway(Entry()), Gateway(Entry() with { IsReady = false })]) }, Planned),
        (Reasons.ScaledToZero, Seen(next: spec => spec.Scaling = new ScalingSpec { MinReplicas = 0, MaxReplicas = 1 }) with { Gateways = new([Gateway(Entry() with { IsReady = false })]) }, Planned),
        (Reasons.Routed, Seen(), Planned),
    ];

    [Fact]
    public void The_canary_is_active_when_every_gateway_sends_it_its_part_and_the_first_reason_against_it_is_told()
    {
        foreach ((string reason, ModelObservation observed, ModelPlan plan) in Ladder)
        {
            V1Condition active = Make.Condition(Build(observed, plan).Conditions, CoServedModelConditions.CanaryActive);
            Assert.Equal((reason, ConditionStatus.Of(reason == Reasons.Routed)), (active.Reason, active.Status));
            Assert.Equal(reason == Reasons.Routed ? "10% of the requests go to next:french" : active.Message, active.Message);
            Assert.Equal(reason != Reasons.Routed, active.Message.EndsWith("; demo answers all requests meanwhile", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void The_mirror_has_a_condition_of_its_own_and_neither_is_there_without_its_field()
    {
        CoServedModel model = Make.Model(spec => spec.Routing = new RoutingSpec { Mirror = Traffic("next") });
        ModelObservation observed = Seen() with { Model = model, Gateways = new([Gateway(Entry() with { IsMirror = true, Adapter = null })]) };
        IList<V1Condition> conditions = Build(observed, Planned).Conditions!;
        Assert.Equal("10% of the requests are copied to next", Make.Condition(conditions, CoServedModelConditions.MirrorActive).Message);
        Assert.DoesNotContain(conditions, condition => condition.Type == CoServedModelConditions.CanaryActive);

        model.Status = new CoServedModelStatus { Conditions = conditions };
        model.Spec.Routing = null;
        Assert.DoesNotContain(Build(observed, Planned).Conditions!, condition => condition.Type == CoServedModelConditions.MirrorActive);
    }

    [Fact]
    public void A_canary_that_is_not_active_leaves_the_model_ready()
    {
        ModelObservation observed = Seen() with { Pods = [Make.Pod()], Targets = TrafficTargets.None };
        Assert.Equal("True", Make.Condition(Build(observed with { Gateways = Make.Gateway([Make.Pod()]) }, Planned).Conditions, CoServedModelConditions.Ready).Status);
    }

    private static CoServedModelStatus Build(ModelObservation observed, ModelPlan plan) => ModelStatusBuilder.Build(observed, plan, null, Make.Now);

    private static ModelObservation Seen(Action<CoServedModelSpec>? next = null, Func<Adapter, Adapter?>? adapter = null)
    {
        CoServedModel model = Make.Model(spec => spec.Routing = new RoutingSpec { Canary = Traffic("next", "french") });
        CoServedModel[] models = [model, Make.Model(next, "next")];
        Adapter[] adapters = [.. new[] { (adapter ?? (one => one))(OfModel(Make.Adapter(), "next")) }.OfType<Adapter>()];
        return new ModelObservation
        {
            Model = model,
            Gateways = new([Gateway(Entry())]),
            Targets = new TrafficTargets(models.ToDictionary(one => one.Metadata.Name), adapters.ToDictionary(one => one.Metadata.Name)),
        };
    }

    private static Adapter OfModel(Adapter adapter, string model)
    {
        adapter.Spec.ModelRef.Name = model;
        return adapter;
    }

    private static TrafficSpec Traffic(string model, string? adapter = null) => new() { ModelRef = new TrafficTarget { Name = model, Adapter = adapter }, Percent = 10 };

    private static GatewayReplica Gateway(params TrafficEntry[] traffic) => new("g0", new RouteReport { Routes = [], Traffic = traffic });

    private static TrafficEntry Entry() =>
        new() { Namespace = Make.Space, Model = "demo", IsMirror = false, Target = "next", Adapter = "french", Percent = 10, IsReady = true };
}
