using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Finetuning;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Models;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class SleepStatusTests
{
    private static readonly ScalingSpec Spec = new() { MinReplicas = 0, MaxReplicas = 2 };

    [Fact]
    public void A_model_that_its_scaling_has_at_zero_is_Ready_for_a_request_wakes_it()
    {
        CoServedModelStatus status = Build(Asleep());
        Assert.Equal(("True", Reasons.ScaledToZero), Condition(status, CoServedModelConditions.Ready));
        Assert.Equal(("True", Reasons.ScaledToZero), Condition(status, CoServedModelConditions.RouterReady));
        Assert.Equal(("True", Reasons.ScaledToZero), Condition(status, CoServedModelConditions.WorkloadsReady));
        Assert.Equal(("False", Reasons.ScaledToZero), Condition(status, CoServedModelConditions.ModelLoaded));
        Assert.Equal(("True", Reasons.ScaledToZero), Condition(status, CoServedModelConditions.ScalingActive));
        Assert.Equal((0, 0), (status.Replicas, status.ReadyReplicas));
    }

    [Fact]
    public void It_is_not_Ready_when_no_gateway_would_hold_a_request()
    {
        CoServedModelStatus status = Build(Asleep(DemandView.Sum([]).Complete));
        Assert.Equal(("False", Reasons.NoGateway), Condition(status, CoServedModelConditions.Ready));
        Assert.Equal(("False", Reasons.NoGateway), Condition(status, CoServedModelConditions.RouterReady));
        Assert.Equal(("False", Reasons.NoGateway), Condition(status, CoServedModelConditions.ScalingActive));
    }

    [Fact]
    public void It_is_not_Ready_while_pods_are_left() => Assert.Equal(
        ("False", Reasons.RollingOut), Condition(Build(Asleep() with { Pods = [Make.Pod()] }), CoServedModelConditions.Ready));

    [Fact]
    public void It_is_not_Ready_when_the_API_server_refuses_an_object_of_it()
    {
        ModelObservation asleep = Asleep();
        var plan = new ModelPlan { Scale = ScalePlanner.Plan(asleep.Scale!), Refused = Check.Fail(Reasons.ObjectRefused, "no quota") }; // Always made with one.
        CoServedModelStatus status = ModelStatusBuilder.Build(asleep, plan, null, Make.Now);
        Assert.Equal(("False", Reasons.ObjectRefused), Condition(status, CoServedModelConditions.Ready));
        Assert.Equal(("False", Reasons.ObjectRefused), Condition(status, CoServedModelConditions.WorkloadsReady));
    }

    [Fact]
    public void A_failure_to_load_is_not_forgotten_by_sleeping()
    {
        ModelObservation broken = Asleep();
        broken.Model.Status = new CoServedModelStatus
        {
            Revision = "r1",
            Conditions = [new V1Condition { Type = CoServedModelConditions.ModelLoaded, Status = "False", Reason = Reasons.ModelLoadFailed, Message = "header is truncated" }],
        };
        broken.Model.Status = Build(broken);
        Assert.Equal(("False", Reasons.ModelLoadFailed), Condition(broken.Model.Status, CoServedModelConditions.Ready));
        Assert.Equal(("False", Reasons.ModelLoadFailed), Condition(Build(broken), CoServedModelConditions.Ready));
        // Another revision may load.
        Assert.Equal(("True", Reasons.ScaledToZero), Condition(Build(broken, "r2"), CoServedModelConditions.Ready));
    }

    [Fact]
    public void Without_scaling_nothing_is_said_of_it()
    {
        CoServedModel model = Make.Model();
        model.Status = Build(Asleep());
        CoServedModelStatus status = ModelStatusBuilder.Build(
            new ModelObservation { Model = model, Pods = [Make.Pod()], Gateways = Make.Gateway([Make.Pod()]) },
            new ModelPlan { Replicas = 1, Revision = "r1" }, null, Make.Now);
        Assert.DoesNotContain(status.Conditions!, condition => condition.Type == CoServedModelConditions.ScalingActive);
        Assert.Equal(("True", Reasons.Serving), Condition(status, CoServedModelConditions.Ready));
    }

    [Fact]
    public void A_job_needs_a_replica_while_it_trains_or_waits_to()
    {
        Assert.True(FinetuneNeeds.Replica(Make.Job()));
        Assert.True(FinetuneNeeds.Replica(With(Make.Job(), FinetuneJobConditions.Accepted, "True")));
        Assert.False(FinetuneNeeds.Replica(Make.Job(spec => spec.Suspend = true)));
        Assert.False(FinetuneNeeds.Replica(With(Make.Job(), FinetuneJobConditions.Complete, "True")));
        Assert.False(FinetuneNeeds.Replica(With(Make.Job(), FinetuneJobConditions.Failed, "True")));
        Assert.False(FinetuneNeeds.Replica(With(Make.Job(), FinetuneJobConditions.Accepted, "False")));
        FinetuneJob leaving = Make.Job();
        leaving.Metadata.DeletionTimestamp = Make.Now.UtcDateTime;
        Assert.False(FinetuneNeeds.Replica(leaving));
    }

    private static FinetuneJob With(FinetuneJob job, string type, string status)
    {
        job.Status = new FinetuneJobStatus { Conditions = [new V1Condition { Type = type, Status = status }] };
        return job;
    }

    private static ModelObservation Asleep(Check? gateways = null) => new()
    {
        Model = Make.Model(spec => spec.Scaling = Spec),
        Gateways = Make.Gateway([]),
        Scale = new ScaleInput { Spec = Spec, Running = 0, Demand = ModelDemandSum.None, Complete = gateways ?? Check.Pass, Now = Make.Now },
    };

    private static CoServedModelStatus Build(ModelObservation observed, string revision = "r1") => ModelStatusBuilder.Build(
        observed, new ModelPlan { Replicas = 0, Revision = revision, Scale = ScalePlanner.Plan(observed.Scale!) }, null, Make.Now); // Always made with one.

    private static (string Status, string Reason) Condition(CoServedModelStatus status, string type)
    {
        V1Condition condition = Make.Condition(status.Conditions, type);
        return (condition.Status, condition.Reason);
    }
}
