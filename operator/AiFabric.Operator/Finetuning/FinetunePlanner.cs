using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;
using k8s.Models;

namespace AiFabric.Operator.Finetuning;

/// <summary>Decides a job's next step. Pure: the clock is part of what was observed.</summary>
internal static class FinetunePlanner
{
    private const int DefaultBackoffLimit = 6;

    public static FinetunePlan Plan(FinetuneObservation observed, FinetuneTimes times)
    {
        int failures = observed.Job.Status?.Failures ?? 0;
        if (IsTerminal(observed.Job))
            return Rest(observed) with { Failures = failures };
        Check accepted = FinetuneChecks.Accept(observed);
        FinetunePlan plan = accepted.Holds ? PlanAccepted(observed, times, failures) : PlanRefused(observed, times, accepted);
        return plan with { Accepted = accepted, Failures = Math.Max(plan.Failures, failures) };
    }

    /// <summary>Whether the job ended; what ended stays as it is.</summary>
    public static bool IsTerminal(FinetuneJob job) => job.Status?.Conditions?.Any(condition =>
        condition is { Type: FinetuneJobConditions.Complete or FinetuneJobConditions.Failed, Status: ConditionStatus.True }) == true;

    private static FinetunePlan Rest(FinetuneObservation observed)
    {
        if (observed.Job.Spec.TtlSecondsAfterFinished is not { } ttl || observed.Job.Status?.CompletionTime is not { } ended)
            return new FinetunePlan(FinetuneStep.Rest);
        TimeSpan left = ended.ToUniversalTime() + TimeSpan.FromSeconds(ttl) - observed.Now.UtcDateTime;
        return left <= TimeSpan.Zero ? new FinetunePlan(FinetuneStep.Expire) : new FinetunePlan(FinetuneStep.Rest) { LookAgain = left };
    }

    /// <summary>A spec that never worked cannot be mended, for nearly all of it is immutable; everything else may come right.</summary>
    private static FinetunePlan PlanRefused(FinetuneObservation observed, FinetuneTimes times, Check refusal)
    {
        // A suspended job has no start time. The pod stays noted once a worker was told of the job, which takes a sound spec.
        if (observed.Violations.Count > 0 && observed.Job.Status?.Pod is null)
            return new FinetunePlan(FinetuneStep.Fail) { Problem = refusal };
        FinetuneReplica? holder = Holder(observed);
        return new FinetunePlan(FinetuneStep.Wait)
        {
            Problem = refusal,
            Pod = holder?.Pod,
            Session = holder?.Session,
            LookAgain = times.Steady,
        };
    }

    private static FinetunePlan PlanAccepted(FinetuneObservation observed, FinetuneTimes times, int failures)
    {
        FinetuneReplica? holder = Holder(observed);
        SessionCancel[] doubles =
        [
            .. observed.Replicas.Where(replica => replica.Session is not null && replica != holder).Select(replica => new SessionCancel(replica.Pod)),
        ];
        FinetunePlan plan = holder?.Session switch
        {
            { State: TrainingState.Succeeded } session => FinetunePublication.Plan(observed, times, holder.Pod, session),
            _ when IsOverdue(observed) => Overdue(observed, holder),
            { State: TrainingState.Failed } session => AfterFailure(observed, times, failures, holder.Pod, session),
            { } session => Continue(observed, times, holder.Pod, session),
            null => Begin(observed, times),
        };
        return plan with { Cancel = [.. plan.Cancel, .. doubles] };
    }

    /// <summary>The replica whose session counts: the one the job is assigned to, else the furthest one.</summary>
    private static FinetuneReplica? Holder(FinetuneObservation observed) => observed.Replicas
        .Where(replica => replica.Session is not null)
        .OrderByDescending(replica => replica.Pod.Name == observed.Job.Status?.Pod)
        .ThenByDescending(replica => replica.Session?.Step)
        .FirstOrDefault();

    private static bool IsOverdue(FinetuneObservation observed) =>
        observed.Job.Spec is { ActiveDeadlineSeconds: { } seconds, Suspend: not true }
        && observed.Job.Status?.StartTime is { } started
        && observed.Now.UtcDateTime >= started.ToUniversalTime() + TimeSpan.FromSeconds(seconds);

    private static FinetunePlan Overdue(FinetuneObservation observed, FinetuneReplica? holder) => new(FinetuneStep.Fail)
    {
        Problem = Check.Fail(Reasons.DeadlineExceeded, $"active for more than {observed.Job.Spec.ActiveDeadlineSeconds} s"),
        Session = holder?.Session,
        Pod = holder?.Pod,
        Cancel = holder is null ? [] : [new SessionCancel(holder.Pod)],
    };

    private static FinetunePlan AfterFailure(
        FinetuneObservation observed, FinetuneTimes times, int failures, WorkerPod pod, TrainingStatus session)
    {
        TrainingError error = session.Error ?? new TrainingError { Reason = "InternalError", Message = "the worker gave no reason", Retryable = true };
        var plan = new FinetunePlan(FinetuneStep.Fail) { Pod = pod, Session = session, Cancel = [new SessionCancel(pod)] };
        if (!error.Retryable)
            return plan with { Problem = Check.Fail(error.Reason, error.Message), Failures = failures + 1 };
        // The job did nothing wrong: other jobs hold the memory, and may for longer than any number of tries.
        if (error.Reason == Reasons.InsufficientMemory)
            return TryLater(plan, observed, Check.Fail(error.Reason, $"waiting until other jobs have ended: {error.Message}"), times.Retry);
        failures++;
        int limit = observed.Job.Spec.BackoffLimit ?? DefaultBackoffLimit;
        if (failures > limit)
        {
            return plan with
            {
                Problem = Check.Fail(Reasons.BackoffLimitExceeded, $"failed {failures} times, backoffLimit is {limit}; last: {error.Reason}: {error.Message}"),
                Failures = failures,
            };
        }
        Check problem = Check.Fail(Reasons.BackOff, $"failure {failures} of at most {limit}, trying again: {error.Reason}: {error.Message}");
        return TryLater(plan with { Failures = failures }, observed, problem, times.RetryDelay(failures));
    }

    private static FinetunePlan TryLater(FinetunePlan plan, FinetuneObservation observed, Check problem, TimeSpan delay) =>
        plan with { Step = FinetuneStep.Retry, Problem = problem, RetryAt = observed.Now + delay, LookAgain = delay };

    /// <summary>The job lives there: sends the spec when the worker may not have it in its present form.</summary>
    private static FinetunePlan Continue(FinetuneObservation observed, FinetuneTimes times, WorkerPod pod, TrainingStatus session)
    {
        TrainingRequest? request = TrainingRequests.Make(observed.Job, observed.Data, pod, out Check problem);
        if (request is null)
            return new FinetunePlan(FinetuneStep.Wait) { Problem = problem, Pod = pod, Session = session, LookAgain = times.Steady };
        bool isSuspended = session.State == TrainingState.Suspended;
        bool hasSpec = observed.SentTo == Process(pod) && !(isSuspended && !request.Suspend);
        return new FinetunePlan(FinetuneStep.Run)
        {
            Pod = pod,
            Session = session,
            Request = hasSpec ? null : request,
            LookAgain = isSuspended && request.Suspend ? times.Steady : times.Poll,
        };
    }

    private static FinetunePlan Begin(FinetuneObservation observed, FinetuneTimes times)
    {
        if (observed.Job.Spec.Suspend == true)
            return BeginSuspended(observed, times);
        if (observed.RetryAt is { } at && at > observed.Now)
        {
            V1Condition? running = observed.Job.Status?.Conditions?.FirstOrDefault(condition => condition.Type == FinetuneJobConditions.Running);
            return running is { Reason: Reasons.BackOff or Reasons.InsufficientMemory }
                ? Wait(running.Reason, running.Message, at - observed.Now)
                : Wait(Reasons.BackOff, "waiting before the next try", at - observed.Now);
        }
        FinetuneReplica? assigned = observed.Replicas.FirstOrDefault(replica => replica.Pod.Name == observed.Job.Status?.Pod);
        if (assigned is { Error: not null, Pod.Ready: true } && (observed.SilentSince is not { } since || observed.Now - since < times.Silence))
            return Wait(Reasons.WorkerUnreachable, assigned.Error, times.Poll) with { Pod = assigned.Pod };
        if (ReplicaChoice.Choose(observed) is not { } chosen)
        {
            // Pods are watched; a silent one that answers again is told by nobody.
            TimeSpan look = observed.Replicas.Count == 0 ? times.Steady : times.Poll;
            return Wait(Reasons.NoReadyReplica, $"CoServedModel {observed.Job.Spec.ModelRef.Name} has no ready replica that answers", look);
        }
        TrainingRequest? request = TrainingRequests.Make(observed.Job, observed.Data, chosen, out Check problem);
        return request is null
            ? new FinetunePlan(FinetuneStep.Wait) { Problem = problem, LookAgain = times.Steady }
            : new FinetunePlan(FinetuneStep.Run) { Pod = chosen, Request = request, LookAgain = times.Poll };
    }

    /// <summary>Nothing runs that would have to be stopped; but a replica that does not answer may be running it.</summary>
    private static FinetunePlan BeginSuspended(FinetuneObservation observed, FinetuneTimes times)
    {
        FinetuneReplica? silent = observed.Replicas.FirstOrDefault(replica => replica.Error is not null && replica.Pod.Name == observed.Job.Status?.Pod);
        return silent is null
            ? new FinetunePlan(FinetuneStep.Suspend)
            : Wait(Reasons.WorkerUnreachable, silent.Error ?? string.Empty, times.Poll) with { Pod = silent.Pod };
    }

    /// <summary>Names one process of a replica: another one knows nothing of what the last was told.</summary>
    public static string Process(WorkerPod pod) => $"{pod.Uid}/{pod.Restarts}";

    private static FinetunePlan Wait(string reason, string message, TimeSpan lookAgain) =>
        new(FinetuneStep.Wait) { Problem = Check.Fail(reason, message), LookAgain = lookAgain };
}
