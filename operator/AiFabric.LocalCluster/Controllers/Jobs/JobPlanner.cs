using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.Jobs;

/// <summary>What a job needs now.</summary>
/// <param name="Create">Pods to start.</param>
/// <param name="Delete">Running pods to stop.</param>
/// <param name="Status">The job's new status.</param>
/// <param name="Remove">The job has outlived its ttlSecondsAfterFinished.</param>
/// <param name="CheckAfter">When time alone may change the decision.</param>
internal sealed record JobPlan(int Create, IReadOnlyList<V1Pod> Delete, V1JobStatus Status, bool Remove, TimeSpan? CheckAfter);

/// <summary>Decides a job's pods and conditions, by the rules of Kubernetes' job controller for non-indexed jobs.</summary>
internal static class JobPlanner
{
    private static readonly TimeSpan MaxBackoff = TimeSpan.FromMinutes(6);

    /// <param name="job">The job with its present status.</param>
    /// <param name="pods">All pods it controls.</param>
    /// <param name="backoff">Delay after the first failure; it doubles up to six minutes.</param>
    /// <param name="now">The time, whole seconds.</param>
    public static JobPlan Plan(V1Job job, IReadOnlyList<V1Pod> pods, TimeSpan backoff, DateTimeOffset now)
    {
        if (Finished(job) is { } finished)
        {
            return AfterFinish(job, finished, pods, now);
        }

        V1Pod[] active = [.. pods.Where(p => p.Metadata.DeletionTimestamp is null && p.Status?.Phase is not ("Succeeded" or "Failed"))];
        V1JobStatus status = Counted(job, pods, active, now);
        if (job.Spec.Suspend == true)
        {
            status.StartTime = null;
            status.Active = null;
            status.Ready = 0;
            status.Conditions = With(job, "Suspended", "JobSuspended", "Job suspended", now);
            return new JobPlan(0, active, status, false, null);
        }

        status.Conditions = job.Status?.Conditions?.Where(c => c.Type != "Suspended").ToList() is { Count: > 0 } kept ? kept : null;
        return Failure(job, pods, status, now) is { } failure
            ? Ended(job, active, status, "Failed", failure.Reason, failure.Message, now)
            : Running(job, pods, active, status, backoff, now);
    }

    private static JobPlan Running(V1Job job, IReadOnlyList<V1Pod> pods, V1Pod[] active, V1JobStatus status, TimeSpan backoff, DateTimeOffset now)
    {
        int succeeded = status.Succeeded ?? 0;
        int? completions = job.Spec.Completions ?? (job.Spec.Parallelism is null ? 1 : null);
        bool complete = completions is { } all ? succeeded >= all : succeeded > 0 && active.Length == 0;
        if (complete)
        {
            return Ended(job, active, status, "Complete", "CompletionsReached", "Reached expected number of succeeded pods", now);
        }

        int parallelism = job.Spec.Parallelism ?? 1;
        int wanted = completions is { } total
            ? Math.Min(parallelism, total - succeeded)
            : succeeded > 0 ? active.Length : parallelism; // a work queue: after the first success nobody new joins
        V1Pod[] surplus = [.. active.OrderByDescending(p => p.Metadata.CreationTimestamp).Take(Math.Max(0, active.Length - wanted))];
        int create = Math.Max(0, wanted - active.Length);
        TimeSpan? wait = BackoffLeft(pods, status.Failed ?? 0, backoff, now);
        TimeSpan? deadline = UntilDeadline(job, status, now);
        status.Active = NullIfZero(active.Length - surplus.Length + (wait is null ? create : 0));
        return new JobPlan(wait is null ? create : 0, surplus, status, false, Earliest(create > 0 ? wait : null, deadline));
    }

    private static V1JobStatus Counted(V1Job job, IReadOnlyList<V1Pod> pods, V1Pod[] active, DateTimeOffset now) => new()
    {
        Active = NullIfZero(active.Length),
        Ready = active.Count(PodReadiness.IsReady),
        Terminating = pods.Count(p => p.Metadata.DeletionTimestamp is not null && p.Status?.Phase is not ("Succeeded" or "Failed")),
        // A finished pod that someone deleted still counts: the numbers never go down.
        Succeeded = NullIfZero(Math.Max(job.Status?.Succeeded ?? 0, pods.Count(p => p.Status?.Phase == "Succeeded"))),
        Failed = NullIfZero(Math.Max(job.Status?.Failed ?? 0, pods.Count(p => p.Status?.Phase == "Failed"))),
        StartTime = job.Status?.StartTime ?? now.UtcDateTime,
    };

    private static (string Reason, string Message)? Failure(V1Job job, IReadOnlyList<V1Pod> pods, V1JobStatus status, DateTimeOffset now)
    {
        int restarts = job.Spec.Template.Spec.RestartPolicy == "OnFailure"
            ? pods.Where(p => p.Status?.Phase is "Running" or "Pending").Sum(p => p.Status.ContainerStatuses?.Sum(c => c.RestartCount) ?? 0)
            : 0;
        if ((status.Failed ?? 0) + restarts > (job.Spec.BackoffLimit ?? 6))
        {
            return ("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        }

        return UntilDeadline(job, status, now) == TimeSpan.Zero
            ? ("DeadlineExceeded", "Job was active longer than specified deadline")
            : null;
    }

    private static JobPlan Ended(V1Job job, V1Pod[] active, V1JobStatus status, string type, string reason, string message, DateTimeOffset now)
    {
        status.Active = null;
        status.Ready = 0;
        status.CompletionTime = type == "Complete" ? now.UtcDateTime : null;
        status.Conditions = With(job, type, reason, message, now);
        TimeSpan? ttl = job.Spec.TtlSecondsAfterFinished is { } seconds ? TimeSpan.FromSeconds(seconds) : null;
        return new JobPlan(0, active, status, false, ttl);
    }

    private static JobPlan AfterFinish(V1Job job, V1JobCondition finished, IReadOnlyList<V1Pod> pods, DateTimeOffset now)
    {
        V1Pod[] left = [.. pods.Where(p => p.Metadata.DeletionTimestamp is null && p.Status?.Phase is not ("Succeeded" or "Failed"))];
        if (job.Spec.TtlSecondsAfterFinished is not { } seconds)
        {
            return new JobPlan(0, left, job.Status, false, null);
        }

        TimeSpan wait = (WireTime.Read(finished.LastTransitionTime) ?? now) + TimeSpan.FromSeconds(seconds) - now;
        return wait > TimeSpan.Zero
            ? new JobPlan(0, left, job.Status, false, wait)
            : new JobPlan(0, left, job.Status, true, null);
    }

    private static V1JobCondition? Finished(V1Job job) =>
        job.Status?.Conditions?.FirstOrDefault(c => c is { Type: "Complete" or "Failed", Status: "True" });

    private static TimeSpan? UntilDeadline(V1Job job, V1JobStatus status, DateTimeOffset now)
    {
        if (job.Spec.ActiveDeadlineSeconds is not { } seconds)
        {
            return null;
        }

        TimeSpan left = (WireTime.Read(status.StartTime) ?? now) + TimeSpan.FromSeconds(seconds) - now;
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private static TimeSpan? BackoffLeft(IReadOnlyList<V1Pod> pods, int failed, TimeSpan backoff, DateTimeOffset now)
    {
        if (failed == 0 || pods.Where(p => p.Status?.Phase == "Failed").Select(FinishTime).Max() is not { } last)
        {
            return null;
        }

        double factor = Math.Pow(2, Math.Min(failed - 1, 20));
        TimeSpan delay = backoff * factor < MaxBackoff ? backoff * factor : MaxBackoff;
        return last + delay > now ? last + delay - now : null;
    }

    private static DateTimeOffset? FinishTime(V1Pod pod) =>
        pod.Status.ContainerStatuses?.Select(c => WireTime.Read(c.State?.Terminated?.FinishedAt)).Max() ?? WireTime.Read(pod.Metadata.CreationTimestamp);

    private static List<V1JobCondition> With(V1Job job, string type, string reason, string message, DateTimeOffset now)
    {
        V1JobCondition? before = job.Status?.Conditions?.FirstOrDefault(c => c.Type == type);
        return
        [
            .. job.Status?.Conditions?.Where(c => c.Type != type && c.Type != "Suspended") ?? [],
            before ?? new V1JobCondition
            {
                Type = type, Status = "True", Reason = reason, Message = message,
                LastProbeTime = now.UtcDateTime, LastTransitionTime = now.UtcDateTime,
            },
        ];
    }

    private static int? NullIfZero(int count) => count == 0 ? null : count;

    private static TimeSpan? Earliest(TimeSpan? a, TimeSpan? b) => a is null ? b : b is null || a < b ? a : b;
}
