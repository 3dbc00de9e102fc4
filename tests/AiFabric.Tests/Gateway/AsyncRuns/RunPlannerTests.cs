using System.ComponentModel.DataAnnotations;
using AiFabric.Gateway.AsyncRuns;
using Xunit;

namespace AiFabric.Tests.Gateway.AsyncRuns;

public sealed class RunPlannerTests
{
    private const long Now = 2_000_000_000;

    private static readonly RunOptions Options = new() { RunLeaseSeconds = 30, RunAttempts = 3 };

    [Theory]
    [InlineData(RunStatus.Queued, 0, 0, null, 100, true, RunStep.Claim)]
    [InlineData(RunStatus.Queued, 0, 0, null, 100, false, RunStep.Leave)]
    [InlineData(RunStatus.Queued, 0, 0, null, 0, true, RunStep.Expire)]
    [InlineData(RunStatus.Queued, 0, 0, null, 0, false, RunStep.Expire)]
    [InlineData(RunStatus.InProgress, 1, 0, 1, 100, true, RunStep.Leave)] // Somebody's, for a second yet.
    [InlineData(RunStatus.InProgress, 1, 0, 0, 100, true, RunStep.Claim)]
    [InlineData(RunStatus.InProgress, 1, 0, 1, 0, true, RunStep.Leave)] // Its owner sees the deadline.
    [InlineData(RunStatus.InProgress, 1, 0, 0, 0, true, RunStep.Expire)]
    [InlineData(RunStatus.InProgress, 2, 0, -5, 100, true, RunStep.Claim)]
    [InlineData(RunStatus.InProgress, 3, 0, -5, 100, true, RunStep.GiveUp)]
    [InlineData(RunStatus.InProgress, 3, 0, -5, 100, false, RunStep.GiveUp)]
    [InlineData(RunStatus.Queued, 9, 7, null, 100, true, RunStep.Claim)] // Given back seven times, lost twice.
    [InlineData(RunStatus.Queued, 10, 7, null, 100, true, RunStep.GiveUp)]
    public void An_open_run_is_claimed_ended_or_left(RunStatus status, int attempts, int releases, int? leaseLeft, int timeLeft, bool hasRoom, RunStep expected) => Assert.Equal(
        expected,
        RunPlanner.Decide(
            Run(timeLeft) with { Status = status, Attempts = attempts, Releases = releases, Owner = leaseLeft is null ? null : "a", LeaseUntil = (Now + (leaseLeft ?? 0)) * 1_000 },
            leftOver: false, Now * 1_000, hasRoom, Options));

    [Theory]
    [InlineData(0, RunStep.Leave)] // Whoever ended it is telling of it.
    [InlineData(30, RunStep.Leave)]
    [InlineData(31, RunStep.Settle)]
    public void An_ended_run_is_settled_when_nobody_did_for_a_lease(int secondsAgo, RunStep expected) => Assert.Equal(
        expected, RunPlanner.Decide(Run(100).End(RunStatus.Cancelled, Now - secondsAgo), leftOver: false, Now * 1_000, hasRoom: false, Options));

    [Theory]
    [InlineData(false, RunStep.Leave)]
    [InlineData(true, RunStep.Drop)]
    public void A_name_without_a_run_is_dropped_when_it_is_old(bool leftOver, RunStep expected) =>
        Assert.Equal(expected, RunPlanner.Decide(null, leftOver, Now * 1_000, hasRoom: true, Options));

    [Fact]
    public void A_run_is_in_progress_only_while_its_lease_lasts()
    {
        RunRecord run = Run(100) with { Status = RunStatus.InProgress, Owner = "a", Attempts = 1, LeaseUntil = Now * 1_000 };
        Assert.Equal("in_progress", RunView.Show(run, (Now * 1_000) - 1).Status);
        Assert.Equal("queued", RunView.Show(run, Now * 1_000).Status); // Its gateway is lost: it waits for another.
        Assert.Equal("failed", RunView.Show(run.End(RunStatus.Failed, Now), Now * 1_000).Status);
    }

    [Fact]
    public void An_end_is_the_last_event_after_all_entries()
    {
        RunRecord run = (Run(100) with { Attempts = 2, Tenant = "t", Pages = [new PageRef("p", 2), new PageRef("q", 3)] }).End(RunStatus.Completed, Now);
        Assert.Equal((5, 6), (run.Entries, run.Events));
        AiFabric.Protocol.Gateway.PipelineRunEvent last = RunEvents.End(run);
        Assert.Equal(("run-1/5", "io.aifabric.pipeline.run.completed", "run-1", "2033-05-18T03:33:20.000Z", "t"), (last.Id, last.Type, last.Subject, last.Time, last.Data.Tenant));
        Assert.Equal(Now + 60, run.ExpiresAt);
    }

    [Theory]
    [InlineData("/runs", "store", null, "Gateway:RunsFolder and Gateway:RunsStateStore exclude each other")]
    [InlineData(null, null, "pubsub", "Gateway:RunsPubSub needs runs")]
    [InlineData("/runs", null, "pubsub", null)]
    [InlineData(null, "store", null, null)]
    public void Settings_that_do_not_go_together_are_refused(string? folder, string? store, string? pubSub, string? says)
    {
        var options = new RunOptions { RunsFolder = folder, RunsStateStore = store, RunsPubSub = pubSub };
        ValidationResult? wrong = options.Validate(new ValidationContext(options)).SingleOrDefault();
        Assert.Equal(says is null, wrong is null);
        Assert.StartsWith(says ?? "", wrong?.ErrorMessage ?? "", StringComparison.Ordinal);
    }

    private static RunRecord Run(int timeLeft) =>
        new() { Id = "run-1", Tenant = "", Namespace = "default", Pipeline = "p", CreatedAt = Now - 10, DeadlineAt = Now + timeLeft, KeepSeconds = 60 };
}
