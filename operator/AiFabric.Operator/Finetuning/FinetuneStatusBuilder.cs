using System.Globalization;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;
using AiFabric.Protocol.Control;

namespace AiFabric.Operator.Finetuning;

/// <summary>Says of a job what was observed and done. Pure.</summary>
internal static class FinetuneStatusBuilder
{
    /// <param name="observed">What was known.</param>
    /// <param name="plan">What was decided and done; a Publish means that the Adapter is there.</param>
    public static FinetuneJobStatus Build(FinetuneObservation observed, FinetunePlan plan)
    {
        FinetuneJob job = observed.Job;
        FinetuneJobStatus old = job.Status ?? new FinetuneJobStatus();
        if (plan.Step == FinetuneStep.Expire)
            return old; // It goes.
        var conditions = new ConditionSet(old.Conditions, job.Metadata.Generation, observed.Now);
        bool isOver = plan.Step is FinetuneStep.Fail or FinetuneStep.Publish;
        bool isSuspended = plan.Step == FinetuneStep.Suspend
            || (plan is { Step: FinetuneStep.Run or FinetuneStep.Wait, Session.State: TrainingState.Suspended } && job.Spec.Suspend == true);
        if (plan.Step == FinetuneStep.Rest)
            conditions.SeeAgain(); // What ended stays as it ended; who waits for a later change to be seen (kubectl wait does) is told that it was.
        else
            SetConditions(conditions, job, plan, isSuspended);
        DateTime now = ConditionSet.WholeSeconds(observed.Now);
        return new FinetuneJobStatus
        {
            ObservedGeneration = job.Metadata.Generation,
            StartTime = isSuspended ? null : old.StartTime ?? (plan.Step is FinetuneStep.Run or FinetuneStep.Publish ? now : null),
            CompletionTime = isOver ? now : old.CompletionTime,
            Failures = plan.Failures,
            Progress = plan.Session is { } session ? Progress(session, old.Progress) : old.Progress,
            Pod = plan.Pod?.Name ?? old.Pod,
            AdapterName = plan.Step == FinetuneStep.Publish ? job.Spec.Output.AdapterName : old.AdapterName,
            AdapterDigest = plan.Step == FinetuneStep.Publish ? plan.Session?.AdapterDigest : old.AdapterDigest,
            Conditions = conditions.ToList(),
        };
    }

    private static void SetConditions(ConditionSet conditions, FinetuneJob job, FinetunePlan plan, bool isSuspended)
    {
        if (plan.Accepted.Holds)
            conditions.Set(FinetuneJobConditions.Accepted, ConditionStatus.True, Reasons.Accepted, "the job can run");
        else
            conditions.Set(FinetuneJobConditions.Accepted, ConditionStatus.False, plan.Accepted.Reason, plan.Accepted.Message);
        conditions.Set(
            FinetuneJobConditions.Running, Running(plan, isSuspended, job), Reasons.InProgress, $"training on pod {plan.Pod?.Name}");
        SetSuspended(conditions, job, isSuspended);
        SetEnd(conditions, job, plan);
    }

    private static Check? Running(FinetunePlan plan, bool isSuspended, FinetuneJob job) => plan.Step switch
    {
        FinetuneStep.Run when isSuspended => Check.Fail(Reasons.Suspended, "suspended"),
        FinetuneStep.Suspend => Check.Fail(Reasons.Suspended, "suspended"),
        FinetuneStep.Run when plan.Session?.State == TrainingState.Running => null,
        FinetuneStep.Run when job.Spec.Suspend == true => Check.Fail(Reasons.Suspending, $"pod {plan.Pod?.Name} finishes its step"),
        FinetuneStep.Run => Check.Fail(Reasons.Starting, $"pod {plan.Pod?.Name} reads data or a checkpoint"),
        FinetuneStep.Publish => Check.Fail(Reasons.Finished, "training is done"),
        // A job that waits for its spec to be put right goes on training meanwhile.
        FinetuneStep.Wait when plan.Session?.State == TrainingState.Running => null,
        _ => plan.Problem,
    };

    private static void SetSuspended(ConditionSet conditions, FinetuneJob job, bool isSuspended)
    {
        if (isSuspended)
            conditions.Set(FinetuneJobConditions.Suspended, ConditionStatus.True, Reasons.Suspended, "spec.suspend is true");
        else if (job.Spec.Suspend == true)
            conditions.Set(FinetuneJobConditions.Suspended, ConditionStatus.False, Reasons.Suspending, "spec.suspend is true, training has not stopped yet");
        else
            conditions.Set(FinetuneJobConditions.Suspended, ConditionStatus.False, Reasons.NotSuspended, "spec.suspend is false");
    }

    private static void SetEnd(ConditionSet conditions, FinetuneJob job, FinetunePlan plan)
    {
        switch (plan.Step)
        {
            case FinetuneStep.Publish:
                conditions.Set(
                    FinetuneJobConditions.Complete, ConditionStatus.True, Reasons.AdapterCreated,
                    $"Adapter {job.Spec.Output.AdapterName} holds the result");
                conditions.Set(FinetuneJobConditions.Failed, ConditionStatus.False, Reasons.NoFailure, "nothing failed for good");
                break;
            case FinetuneStep.Fail:
                conditions.Set(FinetuneJobConditions.Complete, ConditionStatus.False, plan.Problem.Reason, plan.Problem.Message);
                conditions.Set(FinetuneJobConditions.Failed, ConditionStatus.True, plan.Problem.Reason, plan.Problem.Message);
                break;
            default:
                conditions.Set(FinetuneJobConditions.Complete, ConditionStatus.False, Reasons.InProgress, "the job is not done");
                conditions.Set(FinetuneJobConditions.Failed, ConditionStatus.False, Reasons.NoFailure, "nothing failed for good");
                break;
        }
    }

    private static FinetuneProgress Progress(TrainingStatus session, FinetuneProgress? old)
    {
        // A worker that has not read its checkpoint yet reports step 0: that is no progress lost.
        if (session.State == TrainingState.Starting && old is not null)
            return old;
        return new FinetuneProgress
        {
            Step = session.Step,
            TotalSteps = session.TotalSteps,
            Tokens = session.Tokens,
            Loss = Text(session.Loss, "0.0000") ?? old?.Loss,
            EvalLoss = Text(session.EvalLoss, "0.0000") ?? old?.EvalLoss,
            BaseEvalLoss = Text(session.BaseEvalLoss, "0.0000") ?? old?.BaseEvalLoss,
            TokensPerSecond = Text(session.TokensPerSecond, "0.0"),
            EstimatedRemainingSeconds = session.EstimatedRemainingSeconds is { } seconds && double.IsFinite(seconds)
                ? (long)Math.Ceiling(Math.Clamp(seconds, 0, 1e12))
                : null,
        };
    }

    private static string? Text(double? number, string format) =>
        number is { } value && double.IsFinite(value) ? value.ToString(format, CultureInfo.InvariantCulture) : null;
}
