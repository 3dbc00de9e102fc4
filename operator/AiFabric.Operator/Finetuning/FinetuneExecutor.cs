using System.Net;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;

namespace AiFabric.Operator.Finetuning;

/// <summary>Carries out a <see cref="FinetunePlan"/>.</summary>
internal sealed class FinetuneExecutor(
    IKubernetesClient client, OwnedObjects objects, IWorkerClient workers, FinetuneMemory memory, OperatorMetrics metrics,
    ILogger<FinetuneExecutor> logger)
{
    /// <returns>The plan as it was carried out: with the worker's answer, or with what stood in the way.</returns>
    /// <exception cref="KubernetesApiException">The API server failed, or refused to delete the job.</exception>
    public async Task<FinetunePlan> ApplyAsync(FinetuneObservation observed, FinetunePlan plan, FinetuneTimes times, CancellationToken cancellationToken)
    {
        FinetuneJob job = observed.Job;
        string? silent = await CancelAsync(observed.Uid, plan.Cancel, cancellationToken);
        switch (plan.Step)
        {
            case FinetuneStep.Retry when silent is not null:
                // Left there, the failed session would be counted once more: count it when the worker has forgotten it.
                return plan with
                {
                    Step = FinetuneStep.Wait,
                    Problem = Check.Fail(Reasons.WorkerUnreachable, silent),
                    Failures = job.Status?.Failures ?? 0,
                    LookAgain = times.Poll,
                };
            case FinetuneStep.Retry:
                return PutOff(observed, plan);
            case FinetuneStep.Fail:
                Log.SessionFailed(logger, NamespacedName.Of(job), plan.Failures, plan.Problem.Reason, plan.Problem.Message);
                return plan;
            case FinetuneStep.Run when plan.Request is { } request:
                return await SendAsync(observed, plan, request, times, cancellationToken);
            case FinetuneStep.Publish:
                if (await objects.ApplyAsync(plan.Adapter, cancellationToken) is { Holds: false } refused)
                    return plan with { Step = FinetuneStep.Wait, Problem = refused, LookAgain = OwnedObjects.Retry(times.Steady) };
                Log.JobComplete(logger, NamespacedName.Of(job), job.Spec.Output.AdapterName, plan.Session?.AdapterDigest);
                return plan;
            case FinetuneStep.Expire:
                Log.JobExpired(logger, NamespacedName.Of(job));
                await client.DeleteAsync(job, cancellationToken);
                return plan;
            default:
                return plan;
        }
    }

    private FinetunePlan PutOff(FinetuneObservation observed, FinetunePlan plan)
    {
        memory.RetryNotBefore(observed.Job, plan.RetryAt);
        if (plan is { Problem.Reason: Reasons.InsufficientMemory, Pod: { } full })
            memory.Refused(observed.Job, full, observed.Now);
        Log.SessionFailed(logger, NamespacedName.Of(observed.Job), plan.Failures, plan.Problem.Reason, plan.Problem.Message);
        return plan with { Session = null };
    }

    /// <summary>Cancels a job's session on <paramref name="pods"/>.</summary>
    /// <returns>The pods that did not answer.</returns>
    public async Task<IReadOnlyList<WorkerPod>> CancelAsync(string uid, IReadOnlyList<WorkerPod> pods, CancellationToken cancellationToken)
    {
        WorkerReply<Nothing>[] replies = await Task.WhenAll(pods.Select(pod => workers.DeleteTrainingAsync(pod, uid, cancellationToken)));
        return [.. pods.Zip(replies).Where(pair => pair.Second.Outcome == WorkerOutcome.Unreachable).Select(pair => pair.First)];
    }

    /// <summary>
    /// A worker takes no other settings into a live session. Cancelled and sent anew it goes on from its newest checkpoint, which is how a
    /// changed checkpoint interval takes effect.
    /// </summary>
    private async Task<FinetunePlan> RestartAsync(
        FinetuneObservation observed, FinetunePlan plan, WorkerPod pod, FinetuneTimes times, CancellationToken cancellationToken)
    {
        await workers.DeleteTrainingAsync(pod, observed.Uid, cancellationToken);
        return plan with
        {
            Step = FinetuneStep.Wait,
            Session = null,
            Problem = Check.Fail(Reasons.Restarting, $"pod {pod.Name} takes up the changed settings from the newest checkpoint"),
            LookAgain = times.Poll,
        };
    }

    private async Task<string?> CancelAsync(string uid, IReadOnlyList<SessionCancel> sessions, CancellationToken cancellationToken)
    {
        string? silent = null;
        foreach (SessionCancel session in sessions)
        {
            WorkerReply<Nothing> reply = await workers.DeleteTrainingAsync(session.Pod, uid, cancellationToken);
            if (reply.Outcome == WorkerOutcome.Unreachable)
                silent = reply.Message ?? $"pod {session.Pod.Name} does not answer";
        }
        return silent;
    }

    private async Task<FinetunePlan> SendAsync(
        FinetuneObservation observed, FinetunePlan plan, TrainingRequest request, FinetuneTimes times, CancellationToken cancellationToken)
    {
        WorkerPod pod = plan.Pod ?? throw new InvalidOperationException("A plan with a request names the pod it is for.");
        FinetuneJob job = observed.Job;
        WorkerReply<TrainingStatus> reply = await workers.PutTrainingAsync(pod, observed.Uid, request, cancellationToken);
        if (reply.IsOk)
        {
            memory.Sent(job, pod);
            Log.SessionSent(logger, NamespacedName.Of(job), pod.Name);
            if (job.Status?.Pod is { } before && before != pod.Name)
                metrics.TrainingMoves.Inc();
            return plan with { Session = reply.Value };
        }
        if (reply.Status == HttpStatusCode.Conflict && plan.Session is not null)
            return await RestartAsync(observed, plan, pod, times, cancellationToken);
        if (reply.Status == HttpStatusCode.Conflict)
            memory.Refused(job, pod, observed.Now); // Another replica may have room.
        string message = reply.Message ?? $"pod {pod.Name} does not answer";
        // A conflict (the worker has as many sessions as it takes) passes; any other refusal of a new session is final.
        bool isFinal = reply.Outcome == WorkerOutcome.Rejected && reply.Status != HttpStatusCode.Conflict && plan.Session is null;
        string reason = reply.Outcome == WorkerOutcome.Rejected ? reply.Reason ?? Reasons.Rejected : Reasons.WorkerUnreachable;
        if (isFinal)
            Log.SessionFailed(logger, NamespacedName.Of(job), plan.Failures, reason, message);
        return plan with
        {
            Step = isFinal ? FinetuneStep.Fail : FinetuneStep.Wait,
            Problem = Check.Fail(reason, message),
            LookAgain = isFinal ? null : times.Poll,
        };
    }
}
