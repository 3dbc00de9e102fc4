using AiFabric.Crds.FinetuneJobs;
using AiFabric.Gateway.Finetuning.Orders;
using AiFabric.Protocol.OpenAI;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Gateway.Finetuning;

public sealed class JobViewTests
{
    private const long Now = 1_000_000;

    private static readonly Order Order = SampleOrder.Value with { CreatedAt = Now - 50, Epochs = 3 };

    [Theory]
    [InlineData(null, false, "queued")]
    [InlineData(null, true, "cancelled")]
    [InlineData("Accepted", false, "queued")]
    [InlineData("Running", false, "running")]
    [InlineData("Running", true, "cancelled")]
    [InlineData("Suspended", false, "paused")]
    [InlineData("Complete", false, "succeeded")]
    [InlineData("Complete", true, "succeeded")]
    [InlineData("Failed", false, "failed")]
    public void Conditions_become_statuses(string? condition, bool cancelled, string status)
    {
        var wish = new Wish(CancelledAt: cancelled ? Now : null);
        FinetuneJob? live = condition is null ? null : Job(condition);
        JobEnd? end = JobView.EndOf(live, live is not null, wish, Now);
        FineTuningJob job = JobView.Show(Order, wish, end, live, Now);
        Assert.Equal(status, job.Status);
        Assert.Equal(status == "succeeded" ? "demo:french" : null, job.FineTunedModel);
        Assert.Equal(condition is "Complete" or "Failed", job.FinishedAt is not null);
        Assert.Equal((3, "auto"), (job.Hyperparameters.NEpochs!.Value.GetInt32(), job.Hyperparameters.BatchSize!.Value.GetString()));
        Assert.Equal(status == "running" ? Now + 7 : null, job.EstimatedFinish);
        if (status == "failed")
            Assert.Equal(new FineTuningError { Code = "InvalidDataset", Message = "why", Param = "training_file" }, job.Error);
    }

    [Theory]
    [InlineData("Complete")]
    [InlineData("Failed")]
    public void An_end_that_is_not_kept_yet_is_not_shown(string condition)
    {
        FineTuningJob job = JobView.Show(Order, new Wish(), end: null, Job(condition), Now);
        Assert.Equal(("running", null, null, null), (job.Status, job.FinishedAt, job.TrainedTokens, job.FineTunedModel));
    }

    [Fact]
    public void The_end_is_the_newest_event_though_the_last_step_was_told_in_the_same_second()
    {
        FinetuneJob live = Job("Running");
        live.Status!.Progress = new FinetuneProgress { Step = 8, TotalSteps = 8, Loss = "2.7" };
        FineTuningEvent created = JobEvents.Created(Order).Event;
        FineTuningEvent step = JobEvents.Of(Order, "running", null, live, Now)!.Value.Event;
        foreach (string status in (string[])["succeeded", "failed", "cancelled"])
        {
            FineTuningEvent end = JobEvents.Of(Order, status, new JobEnd(status, Now), live, Now)!.Value.Event;
            Assert.Equal([end, step, created], JobEvents.NewestFirst([end, created, step]));
            Assert.Equal([end, step, created], JobEvents.NewestFirst([step, end, created]));
        }
    }

    [Theory]
    [InlineData("RankTooLarge", false, false, "failed")]
    [InlineData("FinetuningForbidden", false, false, "failed")]
    [InlineData("FinetuningForbidden", true, false, "queued")] // It trained, and goes on when its model takes jobs again.
    [InlineData("RankTooLarge", false, true, "cancelled")]
    [InlineData("ModelNotFound", false, false, "queued")]
    [InlineData("AdapterNameTaken", false, false, "queued")]
    public void A_job_that_is_not_accepted_fails_when_waiting_would_not_help(string reason, bool trained, bool cancelled, string status)
    {
        var live = new FinetuneJob
        {
            Metadata = new V1ObjectMeta { Name = Order.Id, NamespaceProperty = "team" },
            Status = new FinetuneJobStatus
            {
                Progress = trained ? new FinetuneProgress { Step = 3 } : null,
                Conditions = [new V1Condition { Type = "Accepted", Status = "False", Reason = reason, Message = "why" }],
            },
        };
        var wish = new Wish(CancelledAt: cancelled ? Now : null);
        FineTuningJob job = JobView.Show(Order, wish, JobView.EndOf(live, isTaken: true, wish, Now), live, Now);
        Assert.Equal(status, job.Status);
        Assert.Equal(status == "failed" ? new FineTuningError { Code = reason, Message = "why" } : null, job.Error);
    }

    [Theory]
    [InlineData(true, null, true)]     // was made, and is gone: somebody deleted it
    [InlineData(false, null, false)]   // is still to be made
    [InlineData(false, 1L, false)]     // cancelled just now: an operator may be making it
    [InlineData(false, 31L, true)]     // cancelled long ago, and never made
    public void A_job_that_is_gone_has_ended_when_nobody_will_make_it(bool taken, long? cancelledAgo, bool ended) =>
        Assert.Equal(ended ? "cancelled" : null, JobView.EndOf(null, taken, new Wish(CancelledAt: Now - cancelledAgo), Now)?.Status);

    [Fact]
    public void Progress_is_told_a_hundred_times_at_most()
    {
        var keys = new HashSet<string>();
        for (int step = 1; step <= 5_000; step++)
        {
            FinetuneJob live = Job("Running");
            live.Status.Progress = new FinetuneProgress { Step = step, TotalSteps = 5_000, Loss = "2.5", EvalLoss = "3" };
            keys.Add(JobEvents.Of(Order, "running", null, live, Now)!.Value.Key);
        }
        Assert.InRange(keys.Count, 100, 101);
        FinetuneJob last = Job("Running");
        last.Status.Progress = new FinetuneProgress { Step = 10, TotalSteps = 20, Loss = "2.5", EvalLoss = "3" };
        FineTuningEvent told = JobEvents.Of(Order, "running", null, last, Now)!.Value.Event;
        Assert.Equal(("metrics", "Step 10/20: training loss=2.5000, validation loss=3.0000", 2.5, 3.0), (told.Type, told.Message, told.Data!.TrainLoss, told.Data.ValidLoss));
    }

    private static FinetuneJob Job(string condition) => new()
    {
        Metadata = new V1ObjectMeta { Name = Order.Id, NamespaceProperty = "team" },
        Status = new FinetuneJobStatus
        {
            Progress = new FinetuneProgress { EstimatedRemainingSeconds = 7 },
            Conditions = [new V1Condition { Type = condition, Status = "True", Reason = "InvalidDataset", Message = "why" }],
        },
    };
}
