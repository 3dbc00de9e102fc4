using System.Globalization;
using System.Text.Json;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Protocol.OpenAI;
using k8s.Models;

namespace AiFabric.Gateway.Finetuning.Orders;

/// <summary>Says in OpenAI's words how an order stands. Pure.</summary>
internal static class JobView
{
    /// <summary>The job as clients see it.</summary>
    /// <param name="order">What was asked for.</param>
    /// <param name="wish">What is wanted of it since.</param>
    /// <param name="end">How it ended; null while it has not.</param>
    /// <param name="live">Its FinetuneJob; null when there is none.</param>
    /// <param name="now">Unix seconds.</param>
    public static FineTuningJob Show(Order order, Wish wish, JobEnd? end, FinetuneJob? live, long now)
    {
        string status = end?.Status ?? StatusOf(wish, live);
        // An end is shown when it is kept, a moment after the FinetuneJob has it: with its time and tokens, and with its event told.
        if (end is null && (status is JobStatuses.Succeeded or JobStatuses.Failed))
            status = JobStatuses.Running;
        var numbers = new FineTuningHyperparameters
        {
            NEpochs = Number(order.Epochs),
            BatchSize = Number(order.BatchSize),
            LearningRateMultiplier = Number(order.LearningRateMultiplier),
        };
        return new FineTuningJob
        {
            Id = order.Id,
            CreatedAt = order.CreatedAt,
            FinishedAt = end?.FinishedAt,
            Model = order.AskedModel,
            FineTunedModel = status == JobStatuses.Succeeded ? $"{order.AskedModel}:{order.AdapterName}" : null,
            Status = status,
            Hyperparameters = numbers,
            Method = new FineTuningMethod { Type = "supervised", Supervised = new FineTuningSettings { Hyperparameters = numbers } },
            TrainingFile = order.TrainingFile,
            ValidationFile = order.ValidationFile,
            TrainedTokens = end?.TrainedTokens,
            Error = end?.Error,
            Seed = order.Seed,
            EstimatedFinish = status == JobStatuses.Running && live?.Status?.Progress?.EstimatedRemainingSeconds is { } left ? now + left : null,
            Metadata = order.Metadata,
        };
    }

    /// <summary>The state of a job that has not ended.</summary>
    public static string StatusOf(Wish wish, FinetuneJob? live)
    {
        if (Holds(live, FinetuneJobConditions.Complete) is not null)
            return JobStatuses.Succeeded;
        if (wish.Cancelled)
            return JobStatuses.Cancelled;
        if (Holds(live, FinetuneJobConditions.Failed) is not null)
            return JobStatuses.Failed;
        if (Holds(live, FinetuneJobConditions.Suspended) is not null)
            return JobStatuses.Paused;
        return Holds(live, FinetuneJobConditions.Running) is not null ? JobStatuses.Running : JobStatuses.Queued;
    }

    /// <summary>How the job ended, as its FinetuneJob tells; null while it has not.</summary>
    /// <param name="live">The FinetuneJob; null when there is none.</param>
    /// <param name="isTaken">Whether there ever was one.</param>
    /// <param name="wish">What the client wants.</param>
    /// <param name="now">Unix seconds.</param>
    public static JobEnd? EndOf(FinetuneJob? live, bool isTaken, Wish wish, long now)
    {
        long tokens = live?.Status?.Progress?.Tokens ?? 0;
        long finished = live?.Status?.CompletionTime is { } time ? new DateTimeOffset(time.ToUniversalTime()).ToUnixTimeSeconds() : now;
        if (Holds(live, FinetuneJobConditions.Complete) is not null)
            return new JobEnd(JobStatuses.Succeeded, finished, tokens);
        if (Holds(live, FinetuneJobConditions.Failed) is { } failed)
        {
            string? param = failed.Reason == "InvalidDataset" ? "training_file" : null;
            return new JobEnd(JobStatuses.Failed, finished, tokens, new FineTuningError { Code = failed.Reason, Message = failed.Message, Param = param });
        }
        if (!wish.Cancelled && Refusal(live) is { } refusal)
            return new JobEnd(JobStatuses.Failed, now, 0, new FineTuningError { Code = refusal.Reason, Message = refusal.Message });
        // One that was never made may be in the making: an operator that read the order just before has a while to show it.
        bool isGone = live is null && (isTaken || wish.CancelledAt + MakingSeconds < now);
        return isGone ? new JobEnd(JobStatuses.Cancelled, now) : null;
    }

    /// <summary>Whether the FinetuneJob is there and may still train.</summary>
    public static bool Lives(FinetuneJob? live) =>
        live is not null && Holds(live, FinetuneJobConditions.Complete) is null && Holds(live, FinetuneJobConditions.Failed) is null;

    private const int MakingSeconds = 30;

    /// <summary>
    /// What keeps a job that never trained from ever being accepted, unless somebody changes the model; null for nothing. A missing model may be about to
    /// come, a taken name to be free again.
    /// </summary>
    private static V1Condition? Refusal(FinetuneJob? live) => live?.Status is { Progress: null } status
        ? status.Conditions?.FirstOrDefault(condition => condition is
        {
            Type: FinetuneJobConditions.Accepted,
            Status: "False",
            Reason: "FinetuningForbidden" or "RankTooLarge",
        })
        : null;

    private static V1Condition? Holds(FinetuneJob? live, string type) =>
        live?.Status?.Conditions?.FirstOrDefault(condition => condition.Type == type && condition.Status == "True");

    private static JsonElement Number(double? value) => value is { } number
        ? JsonElement.Parse(number.ToString("R", CultureInfo.InvariantCulture))
        : JsonElement.Parse("\"auto\"");
}
