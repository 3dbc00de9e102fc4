using AiFabric.LocalCluster.Node.Containers;
using AiFabric.LocalCluster.Node.Pods;
using AiFabric.LocalCluster.Node.Probes;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.LocalCluster;

public sealed class PodPlannerTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly RestartBackoff Backoff = new(TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(10));
    private static readonly ProbeVerdict Fine = new(true, true, null);

    [Theory]
    [InlineData("Always", 0, true)]
    [InlineData("Always", 1, true)]
    [InlineData("OnFailure", 0, false)]
    [InlineData("OnFailure", 1, true)]
    [InlineData("Never", 1, false)]
    public void Restart_policy_decides_whether_an_ended_container_starts_again(string policy, int exitCode, bool restarts)
    {
        IReadOnlyList<PodAction> plan = Plan(Pod(policy), Record(Ended("main", exitCode, failures: 1)));

        Assert.Equal(restarts ? [new PodAction.Start("main")] : [], plan);
    }

    [Theory]
    [InlineData("Always", 0, "Running")]
    [InlineData("OnFailure", 0, "Succeeded")]
    [InlineData("Never", 1, "Failed")]
    public void Phase_follows_policy_and_exit_code(string policy, int exitCode, string phase) =>
        Assert.Equal(phase, PodStatus.Phase(Pod(policy), Record(Ended("main", exitCode, failures: 1))));

    [Fact]
    public void Second_failure_waits_and_says_so()
    {
        PodRecord record = Record(Ended("main", 1, failures: 2));

        Assert.Empty(Plan(Pod("Always"), record));
        Assert.Equal([new PodAction.Start("main")], Plan(Pod("Always"), record, now: Now.AddSeconds(10)));
        V1ContainerStatus status = PodStatus.Of(Pod("Always"), record, _ => Fine, Backoff, Now).ContainerStatuses[0];
        Assert.Equal("CrashLoopBackOff", status.State.Waiting.Reason);
        Assert.Equal(1, status.LastState.Terminated.ExitCode);
    }

    [Fact]
    public void Main_containers_wait_for_init_containers_in_order()
    {
        V1Pod pod = Pod("Always", "i1", "i2");

        Assert.Equal([new PodAction.Start("i1")], Plan(pod, Record()));
        Assert.Empty(Plan(pod, Record(Running("i1"))));
        Assert.Equal([new PodAction.Start("i2")], Plan(pod, Record(Ended("i1", 0, 1))));
        Assert.Equal([new PodAction.Start("main")], Plan(pod, Record(Ended("i1", 0, 1), Ended("i2", 0, 1))));
        Assert.Equal("Failed", PodStatus.Phase(Pod("Never", "i1"), Record(Ended("i1", 1, 1))));
    }

    [Fact]
    public void Deletion_stops_then_kills_then_confirms()
    {
        V1Pod pod = Pod("Always");
        pod.Metadata.DeletionTimestamp = Now.AddSeconds(30).UtcDateTime;
        pod.Metadata.DeletionGracePeriodSeconds = 30;

        PodAction stop = Assert.Single(Plan(pod, Record(Running("main"))));
        Assert.Equal(TimeSpan.FromSeconds(30), Assert.IsType<PodAction.Stop>(stop).Grace);
        ContainerRecord stopping = Running("main") with { StopReason = "Killing", KillAt = Now.AddSeconds(30) };
        Assert.Empty(Plan(pod, Record(stopping)));
        Assert.Equal([new PodAction.Kill("main")], Plan(pod, Record(stopping), now: Now.AddSeconds(30)));
        Assert.Equal([new PodAction.ConfirmDeletion()], Plan(pod, Record(Ended("main", 143, 1))));
    }

    [Fact]
    public void Shortened_grace_period_kills_earlier()
    {
        V1Pod pod = Pod("Always");
        pod.Metadata.DeletionTimestamp = Now.AddSeconds(1).UtcDateTime;
        ContainerRecord stopping = Running("main") with { StopReason = "Killing", KillAt = Now.AddSeconds(300) };

        Assert.Equal([new PodAction.Kill("main")], Plan(pod, Record(stopping), now: Now.AddSeconds(2)));
    }

    [Fact]
    public void Failed_liveness_probe_stops_the_container_once()
    {
        var failing = new ProbeVerdict(true, false, "failed liveness probe: dead");

        Assert.IsType<PodAction.Stop>(Assert.Single(Plan(Pod("Always"), Record(Running("main")), failing)));
        Assert.Empty(Plan(Pod("Always"), Record(Running("main") with { StopReason = "Unhealthy", KillAt = Now.AddSeconds(30) }), failing));
    }

    [Fact]
    public void Pod_past_its_deadline_is_given_up()
    {
        V1Pod pod = Pod("Always");
        pod.Spec.ActiveDeadlineSeconds = 60;

        Assert.IsType<PodAction.GiveUp>(Assert.Single(Plan(pod, Record(Running("main")), now: Now.AddSeconds(60))));
        PodRecord given = Record(Running("main")) with { FailedReason = "DeadlineExceeded" };
        Assert.IsType<PodAction.Stop>(Assert.Single(Plan(pod, given, now: Now.AddSeconds(61))));
        Assert.Equal("Failed", PodStatus.Phase(pod, given));
    }

    [Fact]
    public void Draining_node_stops_containers_and_starts_none()
    {
        Assert.IsType<PodAction.Stop>(Assert.Single(PodPlanner.Plan(Pod("Always"), Record(Running("main")), _ => Fine, Backoff, draining: true, Now)));
        Assert.Empty(PodPlanner.Plan(Pod("Always"), Record(Ended("main", 143, 1)), _ => Fine, Backoff, draining: true, Now));
    }

    [Fact]
    public void Transition_times_move_only_with_the_condition()
    {
        V1Pod pod = Pod("Always");
        pod.Status = PodStatus.Of(pod, Record(Running("main")), _ => Fine, Backoff, Now);

        V1PodStatus later = PodStatus.Of(pod, Record(Running("main")), _ => Fine, Backoff, Now.AddMinutes(5));
        V1PodStatus unready = PodStatus.Of(pod, Record(Running("main")), _ => Fine with { Ready = false }, Backoff, Now.AddMinutes(5));

        Assert.Equal(Now.UtcDateTime, later.Conditions.Single(c => c.Type == "Ready").LastTransitionTime);
        Assert.Equal(Now.AddMinutes(5).UtcDateTime, unready.Conditions.Single(c => c.Type == "Ready").LastTransitionTime);
        Assert.Equal(Now.UtcDateTime, unready.Conditions.Single(c => c.Type == "Initialized").LastTransitionTime);
    }

    [Fact]
    public void A_pod_is_Ready_when_its_containers_and_its_readiness_gates_are()
    {
        V1Pod pod = Pod("Always");
        pod.Spec.ReadinessGates = [new V1PodReadinessGate { ConditionType = "example.com/gate" }];
        Assert.Equal(("True", "False", "ReadinessGatesNotReady"), Readiness(pod));

        pod.Status = new V1PodStatus { Conditions = [new V1PodCondition { Type = "example.com/gate", Status = "False" }] };
        Assert.Equal(("True", "False", "ReadinessGatesNotReady"), Readiness(pod));

        pod.Status.Conditions[0].Status = "True";
        Assert.Equal(("True", "True", null), Readiness(pod));
        Assert.Equal(("False", "False", "ContainersNotReady"), Readiness(pod, Fine with { Ready = false }));
    }

    [Fact]
    public void The_node_leaves_the_conditions_of_others_as_they_are_stored()
    {
        V1PodStatus mine = PodStatus.Of(Pod("Always"), Record(Running("main")), _ => Fine, Backoff, Now);
        V1PodStatus theirs = new() { Conditions = [new V1PodCondition { Type = "example.com/gate", Status = "True" }, new V1PodCondition { Type = "Ready", Status = "False" }] };

        V1PodStatus merged = PodStatus.WithOthers(mine, theirs);

        Assert.Equal(["PodScheduled", "Initialized", "ContainersReady", "Ready", "example.com/gate"], merged.Conditions.Select(c => c.Type));
        Assert.Equal("True", merged.Conditions.Single(c => c.Type == "Ready").Status);
    }

    private static (string ContainersReady, string Ready, string? Reason) Readiness(V1Pod pod, ProbeVerdict? probe = null)
    {
        V1PodStatus status = PodStatus.Of(pod, Record(Running("main")), _ => probe ?? Fine, Backoff, Now);
        V1PodCondition ready = status.Conditions.Single(c => c.Type == "Ready");
        return (status.Conditions.Single(c => c.Type == "ContainersReady").Status, ready.Status, ready.Reason);
    }

    private static IReadOnlyList<PodAction> Plan(V1Pod pod, PodRecord record, ProbeVerdict? probe = null, DateTimeOffset? now = null) =>
        PodPlanner.Plan(pod, record, _ => probe ?? Fine, Backoff, draining: false, now ?? Now);

    private static V1Pod Pod(string policy, params string[] inits) => new()
    {
        Metadata = new V1ObjectMeta { Name = "p", NamespaceProperty = "ns", Uid = "u" },
        Spec = new V1PodSpec
        {
            RestartPolicy = policy,
            Containers = [new V1Container { Name = "main", Image = "x" }],
            InitContainers = [.. inits.Select(i => new V1Container { Name = i, Image = "x" })],
        },
    };

    private static PodRecord Record(params ContainerRecord[] containers) => containers.Aggregate(
        new PodRecord { Uid = "u", Namespace = "ns", Name = "p", Ip = "127.100.0.2", StartTime = Now }, (record, c) => record.With(c));

    private static ContainerRecord Running(string name) =>
        new() { Name = name, Starts = 1, StartedAt = Now, Process = new ProcessIdentity(1000, 1, "boot", 1001) };

    private static ContainerRecord Ended(string name, int exitCode, int failures) =>
        Running(name) with { Failures = failures, Ended = new Termination(exitCode, "Error", null, Now, Now, "process://1001") };
}
