using System.Globalization;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.Finetuning.Orders;

/// <summary>What is worth telling of a job, each under a key by which it is told once. Pure.</summary>
internal static class JobEvents
{
    /// <summary>Progress is told this many times in a job's life.</summary>
    private const int Milestones = 100;

    private const string End = "end";

    public static (string Key, FineTuningEvent Event) Created(Order order) =>
        ("created", Message(order, "created", $"Created fine-tuning job: {order.Id}", order.CreatedAt));

    /// <summary>What there is to tell now; null for nothing new in this state.</summary>
    public static (string Key, FineTuningEvent Event)? Of(Order order, string status, JobEnd? end, FinetuneJob? live, long now) => status switch
    {
        JobStatuses.Running when live?.Status?.Progress is { Step: > 0 and var step, TotalSteps: > 0 and var total } progress => Progress(order, step, total, progress, now),
        JobStatuses.Running => Told(order, "running", "Fine-tuning job started", now),
        JobStatuses.Paused => Told(order, $"paused-{live?.Status?.Progress?.Step ?? 0}", "Fine-tuning job paused", now),
        JobStatuses.Succeeded => Told(order, End, $"The job has successfully completed; the model is served as {order.AskedModel}:{order.AdapterName}", now),
        JobStatuses.Failed => (End, Message(order, End, $"The job failed: {end?.Error?.Message}", now) with { Level = "error" }),
        JobStatuses.Cancelled when end is not null => Told(order, End, "The job was cancelled", now),
        _ => null,
    };

    /// <summary>In the order in which clients get them. Several may be of one second: the last of all is then the job's end.</summary>
    public static IReadOnlyList<FineTuningEvent> NewestFirst(IEnumerable<FineTuningEvent> events) =>
        [.. events.OrderByDescending(e => (e.CreatedAt, e.Id.EndsWith($"-{End}", StringComparison.Ordinal), e.Data?.Step ?? 0, e.Id))];

    private static (string, FineTuningEvent) Progress(Order order, int step, int total, FinetuneProgress progress, long now)
    {
        double? train = Loss(progress.Loss), valid = Loss(progress.EvalLoss);
        string key = string.Create(CultureInfo.InvariantCulture, $"progress-{(long)step * Milestones / total}");
        string text = string.Create(CultureInfo.InvariantCulture, $"Step {step}/{total}: training loss={train:0.0000}{(valid is null ? "" : $", validation loss={valid:0.0000}")}");
        return (key, Message(order, key, text, now) with
        {
            Type = "metrics",
            Data = new FineTuningMetrics { Step = step, TotalSteps = total, TrainLoss = train, ValidLoss = valid },
        });
    }

    private static (string, FineTuningEvent) Told(Order order, string key, string text, long now) => (key, Message(order, key, text, now));

    private static FineTuningEvent Message(Order order, string key, string text, long now) =>
        new() { Id = $"ftevent-{order.Id[^8..]}-{key}", CreatedAt = now, Level = "info", Message = text, Type = "message" };

    private static double? Loss(string? text) => text is null ? null : double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
}
