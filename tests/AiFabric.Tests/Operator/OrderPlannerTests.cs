using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Finetuning.Orders;
using AiFabric.Operator.Validation;
using AiFabric.Protocol.Gateway;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class OrderPlannerTests
{
    private static readonly FinetuneOrder Order = new()
    {
        Id = "ftjob-0123456789abcdefghijklmn",
        Namespace = Make.Space,
        Model = "demo",
        AdapterName = "french-ghijklmn",
        DatasetUri = "http://gateway:8081/internal/files/file-1/key/content.jsonl",
        Format = "Chat",
        Epochs = 3,
        LearningRate = "0.001",
    };

    [Theory]
    [InlineData(false, false, false, "Apply")]
    [InlineData(true, false, false, "Rest")]
    [InlineData(false, true, false, "Rest")]
    [InlineData(false, false, true, "Apply")]
    public void An_order_without_a_job_gets_one_once(bool taken, bool cancel, bool suspend, string step) =>
        Assert.Equal(step, OrderPlanner.Plan(Order with { Taken = taken, Cancel = cancel, Suspend = suspend }, null).GetType().Name);

    [Theory]
    [InlineData(false, false, null, "Rest")]
    [InlineData(false, true, null, "Apply")]
    [InlineData(true, false, null, "Delete")]
    [InlineData(true, false, "Complete", "Rest")]
    [InlineData(false, true, "Failed", "Rest")]
    public void A_running_job_follows_its_client_and_one_that_ended_does_not(bool cancel, bool suspend, string? ended, string step)
    {
        FinetuneJob live = Make.Job(name: Order.Id);
        live.Status = new FinetuneJobStatus { Conditions = ended is null ? [] : [new V1Condition { Type = ended, Status = "True" }] };
        Assert.Equal(step, OrderPlanner.Plan(Order with { Taken = true, Cancel = cancel, Suspend = suspend }, live).GetType().Name);
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("admin suspends", true)]
    [InlineData("admin suspends, admin resumes", false)]
    [InlineData("admin suspends, client resumes", false)] // though its wish was that before
    [InlineData("admin suspends, client pauses", true)]
    [InlineData("client pauses", true)]
    [InlineData("client pauses, client resumes", false)]
    [InlineData("client pauses, admin resumes", false)]
    [InlineData("client pauses, admin resumes, client pauses", true)]
    [InlineData("client pauses, admin resumes, admin suspends, client resumes", false)]
    public void Who_spoke_last_of_pausing_has_the_say(string story, bool suspended)
    {
        FinetuneOrder order = Order;
        FinetuneJob live = Look(order, null);
        foreach (string said in story.Split(", ", StringSplitOptions.RemoveEmptyEntries))
        {
            bool suspend = said.EndsWith("suspends", StringComparison.Ordinal) || said.EndsWith("pauses", StringComparison.Ordinal);
            if (said.StartsWith("admin", StringComparison.Ordinal))
                live.Spec.Suspend = suspend;
            else
                order = order with { Taken = true, Suspend = suspend, PauseCalls = order.PauseCalls + 1 };
            live = Look(order, live);
            Assert.IsType<OrderPlan.Rest>(OrderPlanner.Plan(order, live)); // The look after it finds nothing to do.
        }
        Assert.Equal(suspended, live.Spec.Suspend);
    }

    [Fact]
    public void A_job_without_a_note_follows_its_client_once_and_has_one_then()
    {
        FinetuneJob live = Make.Job(spec => spec.Suspend = true, Order.Id);
        live = Look(Order with { Taken = true }, live);
        Assert.False(live.Spec.Suspend);
        live.Spec.Suspend = true;
        Assert.True(Look(Order with { Taken = true }, live).Spec.Suspend);
    }

    [Fact]
    public void The_job_is_valid_and_has_what_was_asked_for()
    {
        FinetuneJob job = Assert.IsType<OrderPlan.Apply>(OrderPlanner.Plan(Order, null)).Job;
        Assert.Empty(FinetuneRules.All.Check(job));
        Assert.Equal((Order.Id, Make.Space, "demo", "french-ghijklmn"), (job.Metadata.Name, job.Metadata.NamespaceProperty, job.Spec.ModelRef.Name, job.Spec.Output.AdapterName));
        Assert.Equal((DatasetFormat.Chat, 3, "0.001"), (job.Spec.Dataset.Format, job.Spec.Hyperparameters!.Epochs, job.Spec.Hyperparameters.LearningRate));
    }

    [Fact]
    public void An_unknown_format_is_refused() => Assert.IsType<OrderPlan.Refuse>(OrderPlanner.Plan(Order with { Format = "Parquet" }, null));

    // The FinetuneJob after a look at the order.
    private static FinetuneJob Look(FinetuneOrder order, FinetuneJob? live) => OrderPlanner.Plan(order, live) switch
    {
        OrderPlan.Apply apply => apply.Job,
        _ => live!, // Nothing is made only of what there is.
    };
}
