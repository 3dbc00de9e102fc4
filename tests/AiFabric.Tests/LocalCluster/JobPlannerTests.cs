using AiFabric.LocalCluster.Controllers.Jobs;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.LocalCluster;

public sealed class JobPlannerTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Backoff = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData(3, 2, 0, 0, 2)]
    [InlineData(3, 2, 1, 0, 1)]
    [InlineData(3, 2, 1, 2, 0)]
    [InlineData(3, 2, 0, 2, 1)]
    [InlineData(null, null, 0, 0, 1)]
    public void Pods_are_created_up_to_parallelism_and_what_is_missing(int? completions, int? parallelism, int running, int succeeded, int created)
    {
        V1Job job = Job(s => (s.Completions, s.Parallelism) = (completions, parallelism));

        JobPlan plan = JobPlanner.Plan(job, [.. Pods("Running", running), .. Pods("Succeeded", succeeded)], Backoff, Now);

        Assert.Equal(created, plan.Create);
    }

    [Fact]
    public void Enough_successes_complete_the_job_and_stop_the_rest()
    {
        JobPlan plan = JobPlanner.Plan(Job(s => s.Completions = 1), [.. Pods("Succeeded", 1), .. Pods("Running", 1)], Backoff, Now);

        Assert.Contains(plan.Status.Conditions, c => c is { Type: "Complete", Status: "True" });
        Assert.Single(plan.Delete);
        Assert.Equal(Now.UtcDateTime, plan.Status.CompletionTime);
    }

    [Theory]
    [InlineData(1, 2, "BackoffLimitExceeded")]
    [InlineData(2, 2, null)]
    public void Failures_beyond_the_limit_fail_the_job(int limit, int failures, string? reason)
    {
        JobPlan plan = JobPlanner.Plan(Job(s => s.BackoffLimit = limit), Pods("Failed", failures), Backoff, Now);

        Assert.Equal(reason, plan.Status.Conditions?.FirstOrDefault(c => c.Type == "Failed")?.Reason);
    }

    [Fact]
    public void Replacement_of_a_failed_pod_waits_twice_as_long_each_time()
    {
        JobPlan first = JobPlanner.Plan(Job(_ => { }), Pods("Failed", 1), Backoff, Now);
        JobPlan third = JobPlanner.Plan(Job(_ => { }), Pods("Failed", 3), Backoff, Now);
        JobPlan later = JobPlanner.Plan(Job(_ => { }), Pods("Failed", 1), Backoff, Now.AddSeconds(10));

        Assert.Equal((0, TimeSpan.FromSeconds(10)), (first.Create, first.CheckAfter));
        Assert.Equal((0, TimeSpan.FromSeconds(40)), (third.Create, third.CheckAfter));
        Assert.Equal(1, later.Create);
    }

    [Fact]
    public void Deadline_fails_a_running_job()
    {
        V1Job job = Job(s => s.ActiveDeadlineSeconds = 60);
        job.Status = new V1JobStatus { StartTime = Now.AddSeconds(-60).UtcDateTime };

        JobPlan plan = JobPlanner.Plan(job, Pods("Running", 1), Backoff, Now);

        Assert.Equal("DeadlineExceeded", plan.Status.Conditions.Single(c => c.Type == "Failed").Reason);
        Assert.Single(plan.Delete);
    }

    [Theory]
    [InlineData(29, false)]
    [InlineData(30, true)]
    public void Finished_job_is_removed_after_its_time_to_live(int secondsAgo, bool removed)
    {
        V1Job job = Job(s => s.TtlSecondsAfterFinished = 30);
        job.Status = new V1JobStatus { Conditions = [new V1JobCondition { Type = "Complete", Status = "True", LastTransitionTime = Now.AddSeconds(-secondsAgo).UtcDateTime }] };

        Assert.Equal(removed, JobPlanner.Plan(job, [], Backoff, Now).Remove);
    }

    [Fact]
    public void Suspended_job_has_no_pods()
    {
        JobPlan plan = JobPlanner.Plan(Job(s => s.Suspend = true), Pods("Running", 2), Backoff, Now);

        Assert.Equal((0, 2), (plan.Create, plan.Delete.Count));
        Assert.Contains(plan.Status.Conditions, c => c is { Type: "Suspended", Status: "True" });
    }

    private static V1Job Job(Action<V1JobSpec> change)
    {
        var spec = new V1JobSpec { Template = new V1PodTemplateSpec { Spec = new V1PodSpec { RestartPolicy = "Never" } } };
        change(spec);
        return new V1Job { Metadata = new V1ObjectMeta { Name = "j" }, Spec = spec };
    }

    private static V1Pod[] Pods(string phase, int count) => [.. Enumerable.Range(0, count).Select(i => new V1Pod
    {
        Metadata = new V1ObjectMeta { Name = $"{phase}{i}", CreationTimestamp = Now.UtcDateTime },
        Status = new V1PodStatus { Phase = phase },
    })];
}
