using AiFabric.Crds.Adapters;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Protocol.Gateway;
using k8s.Models;

namespace AiFabric.Operator.Finetuning.Orders;

/// <summary>What to do for an order.</summary>
internal abstract record OrderPlan
{
    /// <summary>Nothing.</summary>
    public sealed record Rest : OrderPlan;

    /// <summary>Apply this FinetuneJob: make it, or have it suspend or go on.</summary>
    public sealed record Apply(FinetuneJob Job) : OrderPlan;

    /// <summary>Delete the FinetuneJob.</summary>
    public sealed record Delete : OrderPlan;

    /// <summary>Tell the gateway that it cannot be done.</summary>
    public sealed record Refuse(string Message) : OrderPlan;
}

/// <summary>Decides what becomes of an order. Pure.</summary>
internal static class OrderPlanner
{
    /// <summary>On a FinetuneJob: what its client said last of pausing, as applied. What somebody changes at the FinetuneJob after that stays until the client speaks again.</summary>
    public const string SuspendAnnotation = "aifabric.io/ordered-suspend";

    /// <param name="order">What a client asked for at the gateway.</param>
    /// <param name="live">The FinetuneJob of its name; null when there is none.</param>
    public static OrderPlan Plan(FinetuneOrder order, FinetuneJob? live)
    {
        if (live is null)
        {
            if (order.Cancel || order.Taken)
                return new OrderPlan.Rest(); // One that was made once and is gone was deleted by somebody.
            return Enum.TryParse(order.Format, out DatasetFormat format)
                ? new OrderPlan.Apply(Job(order, format))
                : new OrderPlan.Refuse($"the data set's format '{order.Format}' is not known to this operator");
        }
        if (FinetunePlanner.IsTerminal(live) || live.Metadata.DeletionTimestamp is not null)
            return new OrderPlan.Rest();
        if (order.Cancel)
            return new OrderPlan.Delete();
        return IsApplied(order, live)
            ? new OrderPlan.Rest()
            : new OrderPlan.Apply(Job(order, live.Spec.Dataset.Format ?? DatasetFormat.Text));
    }

    // A job that an earlier version made has no note until its client's wish is applied once more.
    private static bool IsApplied(FinetuneOrder order, FinetuneJob live) =>
        live.Metadata.Annotations is { } annotations && annotations.TryGetValue(SuspendAnnotation, out string? noted)
            ? noted == NoteOf(order)
            : (live.Spec.Suspend == true) == order.Suspend;

    private static string NoteOf(FinetuneOrder order) => $"{(order.Suspend ? "paused" : "running")}-{order.PauseCalls}";

    private static FinetuneJob Job(FinetuneOrder order, DatasetFormat format) => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = order.Id,
            NamespaceProperty = order.Namespace,
            Annotations = new Dictionary<string, string> { [SuspendAnnotation] = NoteOf(order) },
        },
        Spec = new FinetuneJobSpec
        {
            ModelRef = new LocalReference { Name = order.Model },
            Suspend = order.Suspend,
            Dataset = new DatasetSpec { Uri = order.DatasetUri, Format = format, EvalUri = order.EvalUri },
            Hyperparameters = new Hyperparameters { Epochs = order.Epochs, BatchSize = order.BatchSize, LearningRate = order.LearningRate, Seed = order.Seed },
            Output = new OutputSpec { AdapterName = order.AdapterName },
        },
    };
}
