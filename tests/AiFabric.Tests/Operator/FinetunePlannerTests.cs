using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Finetuning;
using AiFabric.Operator.Validation;
using AiFabric.Protocol.Control;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed partial class FinetunePlannerTests
{
    [Fact]
    public void A_running_session_is_polled_and_not_sent_again()
    {
        FinetunePlan plan = Plan(On("a", new FinetuneReplica(Make.Pod("a"), Make.Session(TrainingState.Running))) with { SentTo = "a-uid/0" });
        Assert.Equal((FinetuneStep.Run, null, Make.Times.Poll), (plan.Step, plan.Request, plan.LookAgain));
    }

    [Fact]
    public void After_a_restart_of_the_operator_or_a_change_the_spec_is_sent_once_more()
    {
        FinetuneReplica replica = new(Make.Pod("a"), Make.Session(TrainingState.Running));
        Assert.NotNull(Plan(On("a", replica)).Request);
        Assert.NotNull(Plan(On("a", replica) with { SentTo = "a-uid/7" }).Request);
    }

    [Fact]
    public void A_restarted_worker_gets_its_session_back_on_the_same_pod()
    {
        FinetunePlan plan = Plan(On("b", new(Make.Pod("a"), Load: Make.Load()), new(Make.Pod("b", restarts: 1))) with { SentTo = "b-uid/0" });
        Assert.Equal((FinetuneStep.Run, "b"), (plan.Step, plan.Pod!.Name));
        Assert.NotNull(plan.Request);
    }

    [Fact]
    public void A_lost_replica_is_replaced_and_costs_no_failure()
    {
        FinetunePlan plan = Plan(On("gone", new FinetuneReplica(Make.Pod("a"), Load: Make.Load())));
        Assert.Equal((FinetuneStep.Run, "a", 0), (plan.Step, plan.Pod!.Name, plan.Failures));
    }

    [Fact]
    public void A_replica_that_is_not_ready_but_trains_keeps_its_session()
    {
        FinetunePlan plan = Plan(On("a", new(Make.Pod("a", ready: false), Make.Session(TrainingState.Running)), new(Make.Pod("b"), Load: Make.Load())));
        Assert.Equal("a", plan.Pod!.Name);
    }

    [Theory]
    [InlineData(null, true)]
    [InlineData(5, true)]
    [InlineData(16, false)]
    public void A_silent_replica_is_waited_for_and_then_left(int? silentSeconds, bool waits)
    {
        FinetunePlan plan = Plan(On("a", new(Make.Pod("a"), Error: "no answer"), new(Make.Pod("b"), Load: Make.Load())) with
        {
            SilentSince = silentSeconds is { } seconds ? Make.Now.AddSeconds(-seconds) : null,
        });
        Assert.Equal(waits ? (FinetuneStep.Wait, "a") : (FinetuneStep.Run, "b"), (plan.Step, plan.Pod!.Name));
    }

    [Fact]
    public void Of_two_sessions_the_assigned_one_stays_and_the_other_goes()
    {
        FinetunePlan plan = Plan(On(
            "a", new(Make.Pod("a"), Make.Session(TrainingState.Running, step: 3)), new(Make.Pod("b"), Make.Session(TrainingState.Running, step: 9))));
        Assert.Equal(("a", "b"), (plan.Pod!.Name, Assert.Single(plan.Cancel).Pod.Name));
    }

    [Fact]
    public void A_session_found_without_an_assignment_is_taken_up()
    {
        FinetunePlan plan = Plan(Observed(new(Make.Pod("a"), Load: Make.Load()), new(Make.Pod("b"), Make.Session(TrainingState.Running))));
        Assert.Equal("b", plan.Pod!.Name);
    }

    [Theory]
    [InlineData(TrainingState.Running, true, FinetuneStep.Run, true)]
    [InlineData(TrainingState.Suspended, true, FinetuneStep.Run, false)]
    [InlineData(TrainingState.Suspended, false, FinetuneStep.Run, true)]
    [InlineData(null, true, FinetuneStep.Suspend, false)]
    public void Suspend_is_sent_when_it_is_news(TrainingState? state, bool suspend, object step, bool sends)
    {
        FinetuneObservation observed = On("a", new FinetuneReplica(Make.Pod("a"), state is { } at ? Make.Session(at) : null)) with
        {
            SentTo = state == TrainingState.Running ? null : "a-uid/0",
        };
        observed.Job.Spec.Suspend = suspend;
        FinetunePlan plan = Plan(observed);
        Assert.Equal((step, sends), (plan.Step, plan.Request is not null));
        if (plan.Request is { } request)
            Assert.Equal(suspend, request.Suspend);
    }

    [Fact]
    public void Bad_input_fails_the_job_at_once_with_the_workers_reason()
    {
        FinetunePlan plan = Plan(On("a", new FinetuneReplica(Make.Pod("a"), Make.Failed(retryable: false, "InvalidDataset", "train.jsonl:7: no field text"))));
        Assert.Equal((FinetuneStep.Fail, "InvalidDataset", "train.jsonl:7: no field text"), (plan.Step, plan.Problem.Reason, plan.Problem.Message));
        Assert.Equal("a", Assert.Single(plan.Cancel).Pod.Name);
    }

    [Theory]
    [InlineData(0, 10)]
    [InlineData(1, 20)]
    [InlineData(2, 40)]
    [InlineData(5, 320)]
    public void A_failure_that_may_pass_is_tried_again_after_a_growing_delay(int before, int seconds)
    {
        FinetuneObservation observed = On("a", new FinetuneReplica(Make.Pod("a"), Make.Failed(retryable: true)));
        observed.Job.Status.Failures = before;
        FinetunePlan plan = Plan(observed);
        Assert.Equal((FinetuneStep.Retry, before + 1, Make.Now.AddSeconds(seconds)), (plan.Step, plan.Failures, plan.RetryAt));
        Assert.Single(plan.Cancel);
    }

    [Fact]
    public void Too_many_failures_are_the_end()
    {
        FinetuneObservation observed = On("a", new FinetuneReplica(Make.Pod("a"), Make.Failed(retryable: true)));
        (observed.Job.Status.Failures, observed.Job.Spec.BackoffLimit) = (2, 2);
        FinetunePlan plan = Plan(observed);
        Assert.Equal((FinetuneStep.Fail, Reasons.BackoffLimitExceeded, 3), (plan.Step, plan.Problem.Reason, plan.Failures));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Waiting_for_memory_that_other_jobs_hold_is_no_failure(bool fitsLater)
    {
        FinetuneObservation observed = On("a", new FinetuneReplica(Make.Pod("a"), Make.Failed(fitsLater, "InsufficientMemory", "needs 7 bytes")));
        (observed.Job.Status.Failures, observed.Job.Spec.BackoffLimit) = (2, 2);
        FinetunePlan plan = Plan(observed);
        Assert.Equal(
            fitsLater ? (FinetuneStep.Retry, 2, Make.Now.AddSeconds(10)) : (FinetuneStep.Fail, 3, (DateTimeOffset?)null),
            (plan.Step, plan.Failures, plan.RetryAt));
        Assert.Equal(Reasons.InsufficientMemory, plan.Problem.Reason);
        Assert.Contains("needs 7 bytes", plan.Problem.Message, StringComparison.Ordinal);
        Assert.Single(plan.Cancel);
        if (!fitsLater)
            return;
        // The reason stays while it waits.
        observed.Job.Status.Conditions =
        [
            new V1Condition { Type = FinetuneJobConditions.Running, Status = "False", Reason = plan.Problem.Reason, Message = plan.Problem.Message },
        ];
        Assert.Equal(plan.Problem, Plan(observed with { Replicas = [new FinetuneReplica(Make.Pod("a"))], RetryAt = Make.Now.AddSeconds(4) }).Problem);
    }

    [Fact]
    public void No_try_comes_before_its_time()
    {
        FinetuneObservation observed = On("a", new FinetuneReplica(Make.Pod("a"))) with { RetryAt = Make.Now.AddSeconds(4) };
        FinetunePlan plan = Plan(observed);
        Assert.Equal((FinetuneStep.Wait, Reasons.BackOff, TimeSpan.FromSeconds(4)), (plan.Step, plan.Problem.Reason, plan.LookAgain));
        Assert.Equal(FinetuneStep.Run, Plan(observed with { RetryAt = Make.Now }).Step);
    }

    [Fact]
    public void A_job_over_its_deadline_is_cancelled_and_fails()
    {
        FinetuneObservation observed = On("a", new FinetuneReplica(Make.Pod("a"), Make.Session(TrainingState.Running)));
        (observed.Job.Spec.ActiveDeadlineSeconds, observed.Job.Status.StartTime) = (60, Make.Now.AddSeconds(-60).UtcDateTime);
        FinetunePlan plan = Plan(observed);
        Assert.Equal((FinetuneStep.Fail, Reasons.DeadlineExceeded), (plan.Step, plan.Problem.Reason));
        Assert.Single(plan.Cancel);
        observed.Job.Status.StartTime = Make.Now.AddSeconds(-59).UtcDateTime;
        Assert.Equal(FinetuneStep.Run, Plan(observed).Step);
    }

    [Fact]
    public void What_stands_in_the_way_is_reported_and_waited_for()
    {
        (string Reason, FinetuneObservation Observed)[] table =
        [
            (Reasons.ModelNotFound, Observed() with { Model = null }),
            (Reasons.FinetuningForbidden, Observed() with { Model = Make.Model(spec => spec.CoServing = new() { MaxFinetuneTokensPerIteration = 0 }) }),
            (Reasons.FinetuningForbidden, Observed() with { Model = Make.Model(spec => spec.Lora = new() { MaxAdapters = 0 }) }),
            (Reasons.RankTooLarge, Observed() with { Model = Make.Model(spec => spec.Lora = new() { MaxRank = 8 }) }),
            (Reasons.AdapterNameTaken, Observed() with { Adapter = Make.Adapter() }),
            (Reasons.AdapterNameTaken, Observed() with { Rival = "older" }),
            (Reasons.InvalidSpec, Observed() with { Changes = [new Violation("spec.lora", "lora is immutable")] }),
        ];
        foreach ((string reason, FinetuneObservation observed) in table)
        {
            FinetunePlan plan = Plan(observed);
            Assert.Equal((FinetuneStep.Wait, reason, false), (plan.Step, plan.Accepted.Reason, plan.Accepted.Holds));
        }
        Assert.Equal(Reasons.NoReadyReplica, Plan(Observed()).Problem.Reason);
        FinetuneObservation claim = Observed(new FinetuneReplica(Make.Pod()));
        claim.Job.Spec.Dataset.Uri = "pvc://other/train.jsonl";
        Assert.Equal(Reasons.VolumeNotMounted, Plan(claim).Problem.Reason);
    }

    [Fact]
    public void A_spec_that_never_worked_fails_the_job()
    {
        FinetunePlan plan = Plan(Observed() with { Violations = [new Violation("spec.dataset.uri", "no")] });
        Assert.Equal((FinetuneStep.Fail, "spec.dataset.uri: no"), (plan.Step, plan.Problem.Message));
    }

    [Fact]
    public void A_suspended_job_that_was_under_way_waits_until_its_spec_is_mended()
    {
        FinetuneObservation observed = On("a", new FinetuneReplica(Make.Pod("a"), Make.Session(TrainingState.Suspended)));
        observed.Job.Spec.Suspend = true;
        FinetuneJobStatus suspended = FinetuneStatusBuilder.Build(observed, Plan(observed));
        Assert.Null(suspended.StartTime);
        observed.Job.Status = suspended;
        FinetunePlan plan = Plan(observed with { Violations = [new Violation("spec.dataset.uri", "no")] });
        Assert.Equal((FinetuneStep.Wait, Reasons.InvalidSpec, "spec.dataset.uri: no"), (plan.Step, plan.Problem.Reason, plan.Problem.Message));
        Assert.Contains(FinetuneStatusBuilder.Build(observed, plan).Conditions!, condition => condition is { Type: FinetuneJobConditions.Suspended, Status: ConditionStatus.True });

        // Nor does it fail when its replica is gone.
        Assert.Equal(FinetuneStep.Wait, Plan(observed with { Violations = [new Violation("spec.dataset.uri", "no")], Replicas = [] }).Step);
        Assert.Equal(FinetuneStep.Suspend, Plan(observed with { Replicas = [] }).Step);
    }

    [Theory]
    [InlineData("Complete")]
    [InlineData("Failed")]
    public void An_ended_job_rests_until_its_time_to_live_is_over(string type)
    {
        FinetuneObservation observed = Observed(new FinetuneReplica(Make.Pod()));
        observed.Job.Status = new FinetuneJobStatus
        {
            CompletionTime = Make.Now.AddSeconds(-10).UtcDateTime,
            Conditions = [new V1Condition { Type = type, Status = "True", Reason = "x", Message = "x" }],
        };
        Assert.Equal(new FinetunePlan(FinetuneStep.Rest), Plan(observed));
        observed.Job.Spec.TtlSecondsAfterFinished = 30;
        Assert.Equal((FinetuneStep.Rest, TimeSpan.FromSeconds(20)), (Plan(observed).Step, Plan(observed).LookAgain));
        observed.Job.Spec.TtlSecondsAfterFinished = 10;
        Assert.Equal(FinetuneStep.Expire, Plan(observed).Step);
    }

    private static FinetunePlan Plan(FinetuneObservation observed) => FinetunePlanner.Plan(observed, Make.Times);

    private static FinetuneObservation Observed(params FinetuneReplica[] replicas) =>
        new() { Job = Make.Job(), Now = Make.Now, Data = Make.Data, Model = Make.Model(), Replicas = replicas };

    /// <summary>A job that runs on that pod.</summary>
    private static FinetuneObservation On(string pod, params FinetuneReplica[] replicas)
    {
        FinetuneObservation observed = Observed(replicas);
        observed.Job.Status = new FinetuneJobStatus { Pod = pod, StartTime = Make.Now.AddMinutes(-1).UtcDateTime };
        return observed;
    }
}
