using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Models;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class ModelStatusTests
{
    private static readonly ModelPlan Planned = new() { Replicas = 1, Revision = "r1" };

    /// <summary>Each state of the world, worst first, and the reason that Ready then gives.</summary>
    private static readonly (string Reason, ModelObservation Observed, ModelPlan Plan)[] Ladder =
    [
        (Reasons.InvalidSpec, Serving(), Planned with { Refusal = Check.Fail(Reasons.InvalidSpec, "spec.model.uri: no") }),
        (Reasons.NameTaken, Serving(), Planned with { Refusal = Check.Fail(Reasons.NameTaken, "taken") }),
        (Reasons.ObjectRefused, Serving(), Planned with { Refused = Check.Fail(Reasons.ObjectRefused, "no quota") }),
        (Reasons.ObjectRefused, Serving() with { Pods = [] }, Planned with { Replicas = 0, Refused = Check.Fail(Reasons.ObjectRefused, "no quota") }),
        (Reasons.ScaledToZero, Serving() with { Pods = [] }, Planned with { Replicas = 0 }),
        (Reasons.NoPods, Serving() with { Pods = [] }, Planned),
        (Reasons.PodsRefused, Serving() with { Pods = [], Deployment = Refused() }, Planned),
        (Reasons.NoPods, Serving() with { Pods = [], Deployment = Refused(seen: 1) }, Planned),
        (Reasons.Loading, Serving() with { Pods = [Make.Pod(ready: false)] }, Planned),
        (Reasons.Loading, Serving(), Planned with { Replicas = 2 }),
        (Reasons.PodsRefused, Serving() with { Deployment = Refused() }, Planned with { Replicas = 2 }),
        (Reasons.Loading, Serving() with { Pods = [Make.Pod(), Make.Pod("demo-1", ready: false)], Deployment = Refused() }, Planned with { Replicas = 2 }),
        (Reasons.ModelLoadFailed, Broken(Reasons.ModelLoadFailed), Planned),
        (Reasons.ImagePullBackOff, Broken(Reasons.ImagePullBackOff), Planned),
        (Reasons.CrashLoopBackOff, Broken(Reasons.CrashLoopBackOff), Planned),
        (Reasons.Unschedulable, Broken(Reasons.Unschedulable), Planned),
        (Reasons.NoPods, Serving() with { Pods = [Make.Pod(revision: "r0")] }, Planned),
        (Reasons.RollingOut, Serving() with { Pods = [Make.Pod(), Make.Pod("demo-1", "r0")] }, Planned),
        (Reasons.RollingOut, Serving() with { Pods = [Make.Pod(), Make.Pod("demo-1")] }, Planned),
        (Reasons.NoGateway, Serving() with { Gateways = GatewayView.None }, Planned),
        (Reasons.GatewayUnreachable, Serving() with { Gateways = new([new("g0", Make.Report([Make.Pod()])), new("g1", null, "refused")]) }, Planned),
        (Reasons.NotRouted, Serving() with { Gateways = Make.Gateway([]) }, Planned),
        (Reasons.NotRouted, Serving() with { Gateways = Make.Gateway([Make.Pod(), Make.Pod("gone")]) }, Planned),
        (Reasons.NotRouted, Serving() with { Gateways = Make.Gateway([Make.Pod(), Make.Pod("demo-0", "r0")]) }, Planned),
        (Reasons.NotRouted, Serving() with { Gateways = Make.Gateway([Make.Pod(revision: "r0")]) }, Planned),
        (Reasons.NotRouted, Serving() with { Gateways = new([new("g0", Make.Report([Make.Pod()])), new("g1", Make.Report([]))]) }, Planned),
        (Reasons.NotRouted, Serving() with { Pods = [Make.Pod() with { PodReady = false }] }, Planned),
        (Reasons.Serving, Serving(), Planned),
    ];

    [Fact]
    public void Ready_gives_the_first_reason_that_holds_it_back()
    {
        foreach ((string reason, ModelObservation observed, ModelPlan plan) in Ladder)
        {
            V1Condition ready = Make.Condition(Build(observed, plan).Conditions, CoServedModelConditions.Ready);
            Assert.Equal((reason, ConditionStatus.Of(reason == Reasons.Serving)), (ready.Reason, ready.Status));
        }
    }

    [Fact]
    public void Replicas_count_when_ready_and_routed_by_every_gateway_and_as_updated_when_of_the_current_revision()
    {
        WorkerPod[] pods = [Make.Pod("a"), Make.Pod("b", ready: false), Make.Pod("c", "r0"), Make.Pod("d"), Make.Pod("e") with { Terminating = true, Ready = false }];
        var gateways = new GatewayView([new("g0", Make.Report(pods)), new("g1", Make.Report(pods.Where(pod => pod.Name != "d")))]);
        CoServedModelStatus status = Build(Serving() with { Pods = pods, Gateways = gateways }, Planned with { Replicas = 3 });
        Assert.Equal((4, 1, 2), (status.Replicas, status.UpdatedReplicas, status.ReadyReplicas));
    }

    [Fact]
    public void A_refused_change_counts_pods_by_the_revision_accepted_before()
    {
        CoServedModel model = Make.Model();
        model.Status = new CoServedModelStatus { Revision = "r1" };
        CoServedModelStatus status = Build(
            Serving() with { Model = model }, new ModelPlan { Replicas = 1, Refusal = Check.Fail(Reasons.InvalidSpec, "no") });
        Assert.Equal((1, "r1"), (status.ReadyReplicas, status.Revision));
        Assert.Equal("True", Make.Condition(status.Conditions, CoServedModelConditions.ModelLoaded).Status);
    }

    [Fact]
    public void The_status_names_selector_url_and_generation()
    {
        CoServedModelStatus status = Build(Serving(), Planned);
        Assert.Equal("app.kubernetes.io/name=aifabric-worker,app.kubernetes.io/instance=demo,aifabric.io/model=demo", status.Selector);
        Assert.Equal("http://demo.team.svc:8000/v1", status.Url);
        Assert.Equal(3, status.ObservedGeneration);
        Assert.Equal("http://gateway/v1", ModelStatusBuilder.Build(Serving(), Planned, "http://gateway/", Make.Now).Url);
    }

    [Theory]
    [InlineData(TrainingState.Starting, "True")]
    [InlineData(TrainingState.Running, "True")]
    [InlineData(TrainingState.Suspended, "False")]
    [InlineData(TrainingState.Succeeded, "False")]
    [InlineData(TrainingState.Failed, "False")]
    public void Finetuning_is_active_while_a_session_trains(TrainingState state, string active) => Assert.Equal(
        active,
        Make.Condition(Build(WithLoad(Make.Load(Make.Session(state))), Planned).Conditions, CoServedModelConditions.FinetuningActive).Status);

    [Theory]
    [InlineData(null, "Unknown", Reasons.NoTraffic)]
    [InlineData(0.99, "True", Reasons.ObjectiveMet)]
    [InlineData(0.95, "True", Reasons.ObjectiveMet)]
    [InlineData(0.94, "False", Reasons.ObjectiveMissed)]
    public void The_objective_is_met_when_enough_tokens_are(double? attainment, string status, string reason)
    {
        V1Condition slo = Make.Condition(
            Build(WithLoad(Make.Load() with { TpotAttainment = attainment }), Planned).Conditions, CoServedModelConditions.SloMet);
        Assert.Equal((status, reason), (slo.Status, slo.Reason));
    }

    [Fact]
    public void The_same_world_gives_the_same_status()
    {
        CoServedModel model = Make.Model();
        model.Status = Build(Serving(), Planned);
        CoServedModelStatus again = ModelStatusBuilder.Build(Serving() with { Model = model }, Planned, null, Make.Now.AddHours(1));
        Assert.Equal(k8s.KubernetesJson.Serialize(model.Status), k8s.KubernetesJson.Serialize(again));
    }

    private static CoServedModelStatus Build(ModelObservation observed, ModelPlan plan) => ModelStatusBuilder.Build(observed, plan, null, Make.Now);

    private static ModelObservation Serving() => new() { Model = Make.Model(), Pods = [Make.Pod()], Gateways = Make.Gateway([Make.Pod()]) };

    private static ModelObservation Broken(string reason) =>
        Serving() with { Pods = [Make.Pod(ready: false) with { Problem = new PodProblem(reason, "pod demo-0: because") }] };

    private static ModelObservation WithLoad(LoadReport load) =>
        Serving() with { Loads = new Dictionary<string, LoadReport> { ["demo-0-uid"] = load } };

    private static V1Deployment Refused(long seen = 2) => new()
    {
        Metadata = new V1ObjectMeta { Name = "demo", Generation = 2 },
        Status = new V1DeploymentStatus
        {
            ObservedGeneration = seen,
            Conditions = [new V1DeploymentCondition { Type = "ReplicaFailure", Status = "True", Message = "exceeded quota" }],
        },
    };
}
