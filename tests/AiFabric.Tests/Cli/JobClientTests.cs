using AiFabric.Cli.Cluster;
using AiFabric.Crds.FinetuneJobs;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Cli;

public sealed class JobClientTests
{
    [Fact]
    public void A_job_tells_what_keeps_it_from_training()
    {
        Assert.Equal("ModelNotFound", JobClient.Obstacle(Job((FinetuneJobConditions.Accepted, "False", "ModelNotFound"), (FinetuneJobConditions.Running, "False", "ModelNotFound")))?.Reason);
        Assert.Null(JobClient.Obstacle(Job((FinetuneJobConditions.Running, "True", "InProgress"))));
        Assert.Null(JobClient.Obstacle(Job()));
    }

    [Fact]
    public void A_job_has_ended_when_it_is_complete_or_has_failed()
    {
        Assert.Equal(new JobEnd(true, "AdapterCreated", "why"), JobClient.Ended(Job((FinetuneJobConditions.Complete, "True", "AdapterCreated"))));
        Assert.Equal(new JobEnd(false, "InvalidDataset", "why"), JobClient.Ended(Job((FinetuneJobConditions.Failed, "True", "InvalidDataset"))));
        Assert.Null(JobClient.Ended(Job((FinetuneJobConditions.Complete, "False", "InProgress"), (FinetuneJobConditions.Failed, "False", "NoFailure"))));
    }

    private static FinetuneJob Job(params (string Type, string Status, string Reason)[] conditions) => new()
    {
        Status = new FinetuneJobStatus
        {
            Conditions = [.. conditions.Select(c => new V1Condition { Type = c.Type, Status = c.Status, Reason = c.Reason, Message = "why" })],
        },
    };
}
