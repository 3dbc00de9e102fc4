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
}
