using AiFabric.Crds.Adapters;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Adapters;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Validation;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;
using k8s.Models;
using Xunit;
using AdapterStatus = AiFabric.Crds.Adapters.AdapterStatus;

namespace AiFabric.Tests.Operator;

public sealed class AdapterPlannerTests
{
    private static readonly AdapterRequest Wanted = new() { Uri = "file:///adapters/french", Digest = Make.Digest('a') };

    [Fact]
    public void Replicas_that_lack_the_adapter_or_hold_another_load_it()
    {
        AdapterPlan plan = AdapterPlanner.Plan(Observed(
            new(Make.Pod("missing"), null), new(Make.Pod("stale"), Make.Digest('9')), new(Make.Pod("done"), Make.Digest('a'), Sent: Wanted),
            new(Make.Pod("silent"), null, "no answer")));
        Assert.Equal(["missing", "stale"], plan.Loads.Select(load => load.Pod.Name));
        Assert.All(plan.Loads, load => Assert.Equal(Wanted, load.Request));
        Assert.Equal([("done", true), ("silent", false)], plan.Settled.Select(outcome => (outcome.Pod.Name, outcome.State.Holds)));
    }

    [Fact]
    public void An_adapter_whose_place_changed_is_sent_again()
    {
        AdapterPlan plan = AdapterPlanner.Plan(Observed(
            new(Make.Pod("moved"), Make.Digest('a'), Sent: Wanted with { Uri = "file:///old" }), new(Make.Pod("done"), Make.Digest('a'), Sent: Wanted)));
        Assert.Equal([("moved", Wanted)], plan.Loads.Select(load => (load.Pod.Name, load.Request)));
    }

    [Fact]
    public void Without_a_digest_each_process_is_sent_the_adapter_once()
    {
        AdapterRequest open = Wanted with { Digest = null };
        AdapterObservation observed = Observed(
            new(Make.Pod("fresh"), Make.Digest('1')), new(Make.Pod("sent"), Make.Digest('1'), Sent: open),
            new(Make.Pod("moved"), Make.Digest('1'), Sent: open with { Uri = "file:///old" }), new(Make.Pod("lost"), null, Sent: open));
        observed.Adapter.Spec.Digest = null;
        Assert.Equal(["fresh", "moved", "lost"], AdapterPlanner.Plan(observed).Loads.Select(load => load.Pod.Name));
    }

    [Theory]
    [InlineData("absent", Reasons.JobNotFound)]
    [InlineData("running", Reasons.JobNotComplete)]
    [InlineData("failed", Reasons.JobFailed)]
    [InlineData("complete", "")]
    public void A_job_gives_the_adapter_once_it_is_complete(string state, string reason)
    {
        FinetuneJob job = Make.Job();
        job.Status = new FinetuneJobStatus
        {
            AdapterDigest = Make.Digest('c'),
            Conditions =
            [
                new V1Condition { Type = "Complete", Status = ConditionStatus.Of(state == "complete"), Reason = "x", Message = "x" },
                new V1Condition { Type = "Failed", Status = ConditionStatus.Of(state == "failed"), Reason = "x", Message = "x" },
            ],
        };
        AdapterObservation observed = Observed(new AdapterReplica(Make.Pod(), null)) with { Job = state == "absent" ? null : job, JobOutput = "file:///out" };
        observed.Adapter.Spec.Source = new AdapterSource { FinetuneJobRef = new LocalReference { Name = "job" } };
        observed.Adapter.Spec.Digest = null;
        AdapterPlan plan = AdapterPlanner.Plan(observed);
        Assert.Equal(reason, plan.Refusal.Reason);
        if (plan.Refusal.Holds)
            Assert.Equal(new AdapterRequest { Uri = "file:///out", Digest = Make.Digest('c') }, Assert.Single(plan.Loads).Request);
    }

    [Fact]
    public void What_cannot_be_loaded_says_why()
    {
        Assert.Equal(Reasons.ModelNotFound, AdapterPlanner.Plan(Observed() with { Model = null }).Refusal.Reason);
        Assert.Equal(Reasons.InvalidSpec, AdapterPlanner.Plan(Observed() with { Violations = [new Violation("spec.source", "no")] }).Refusal.Reason);
        AdapterObservation claim = Observed(new AdapterReplica(Make.Pod(), null));
        claim.Adapter.Spec.Source.Uri = "pvc://other/x";
        Assert.Equal(Reasons.VolumeNotMounted, Assert.Single(AdapterPlanner.Plan(claim).Settled).State.Reason);
    }

    [Fact]
    public void Ready_gives_the_first_reason_that_holds_it_back()
    {
        WorkerPod pod = Make.Pod();
        AdapterObservation loaded = Observed(new AdapterReplica(pod, Make.Digest('a')));
        var done = new AdapterOutcome(pod, Check.Pass);
        (string Reason, bool Failed, AdapterObservation Observed, AdapterPlan Plan, AdapterOutcome[] Outcomes)[] ladder =
        [
            (Reasons.InvalidSpec, true, loaded, new() { Refusal = Check.Fail(Reasons.InvalidSpec, "no") }, []),
            (Reasons.JobFailed, true, loaded, new() { Refusal = Check.Fail(Reasons.JobFailed, "no") }, []),
            (Reasons.JobNotComplete, false, loaded, new() { Refusal = Check.Fail(Reasons.JobNotComplete, "no") }, []),
            (Reasons.ModelNotReady, false, Observed(), new(), []),
            ("InvalidAdapter", true, loaded, new(), [new(pod, Check.Fail(Reasons.WorkerUnreachable, "x")), new(pod, Check.Fail("InvalidAdapter", "rank"), Refused: true)]),
            (Reasons.WorkerUnreachable, false, loaded, new(), [new(pod, Check.Fail(Reasons.WorkerUnreachable, "x"))]),
            (Reasons.NoGateway, false, loaded with { Gateways = GatewayView.None }, new(), [done]),
            (Reasons.NotRouted, false, loaded with { Gateways = Make.Gateway([pod], "other") }, new(), [done]),
            (Reasons.Serving, false, loaded, new(), [done]),
        ];
        foreach (var (reason, failed, observed, plan, outcomes) in ladder)
        {
            AdapterStatus status = AdapterStatusBuilder.Build(observed, plan, outcomes, Make.Now);
            V1Condition ready = Make.Condition(status.Conditions, AdapterConditions.Ready);
            Assert.Equal((reason, ConditionStatus.Of(reason == Reasons.Serving)), (ready.Reason, ready.Status));
            Assert.Equal(ConditionStatus.Of(failed), Make.Condition(status.Conditions, AdapterConditions.Failed).Status);
        }
    }

    [Fact]
    public void The_status_counts_replicas_and_names_what_clients_ask_for()
    {
        WorkerPod[] pods = [Make.Pod("a"), Make.Pod("b")];
        AdapterStatus status = AdapterStatusBuilder.Build(
            Observed([.. pods.Select(pod => new AdapterReplica(pod, null))]) with { Model = Make.Model(spec => spec.Model.Name = "org/demo") }, new AdapterPlan(),
            [new(pods[0], Check.Pass), new(pods[1], Check.Fail(Reasons.WorkerUnreachable, "x"))], Make.Now);
        Assert.Equal((1, 2, "org/demo:french"), (status.LoadedReplicas, status.DesiredReplicas, status.ServedName));
    }

    private static AdapterObservation Observed(params AdapterReplica[] replicas) => new()
    {
        Adapter = Make.Adapter(),
        Model = Make.Model(),
        Replicas = replicas,
        Gateways = Make.Gateway(replicas.Select(replica => replica.Pod), "french"),
    };
}
