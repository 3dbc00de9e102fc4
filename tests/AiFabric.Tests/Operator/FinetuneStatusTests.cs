using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Finetuning;
using AiFabric.Operator.Storage;
using AiFabric.Protocol.Control;
using k8s;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class FinetuneStatusTests
{
    private static readonly FinetunePlan Running = new(FinetuneStep.Run) { Pod = Make.Pod(), Session = Make.Session(TrainingState.Running) };

    [Fact]
    public void Each_step_gives_its_conditions()
    {
        (FinetunePlan Plan, string Conditions)[] table =
        [
            (Running, "Accepted=True/Accepted Running=True/InProgress Suspended=False/NotSuspended Complete=False/InProgress Failed=False/NoFailure"),
            (Running with { Session = Make.Session(TrainingState.Starting) },
                "Accepted=True/Accepted Running=False/Starting Suspended=False/NotSuspended Complete=False/InProgress Failed=False/NoFailure"),
            (Fail(FinetuneStep.Wait, Reasons.NoReadyReplica),
                "Accepted=True/Accepted Running=False/NoReadyReplica Suspended=False/NotSuspended Complete=False/InProgress Failed=False/NoFailure"),
            (Fail(FinetuneStep.Wait, Reasons.ModelNotFound) with { Accepted = Check.Fail(Reasons.ModelNotFound, "none") },
                "Accepted=False/ModelNotFound Running=False/ModelNotFound Suspended=False/NotSuspended Complete=False/InProgress Failed=False/NoFailure"),
            (Fail(FinetuneStep.Wait, Reasons.InvalidSpec) with { Accepted = Check.Fail(Reasons.InvalidSpec, "x"), Session = Running.Session },
                "Accepted=False/InvalidSpec Running=True/InProgress Suspended=False/NotSuspended Complete=False/InProgress Failed=False/NoFailure"),
            (Fail(FinetuneStep.Retry, Reasons.BackOff),
                "Accepted=True/Accepted Running=False/BackOff Suspended=False/NotSuspended Complete=False/InProgress Failed=False/NoFailure"),
            (Fail(FinetuneStep.Fail, "InvalidDataset"),
                "Accepted=True/Accepted Running=False/InvalidDataset Suspended=False/NotSuspended Complete=False/InvalidDataset Failed=True/InvalidDataset"),
            (Running with { Step = FinetuneStep.Publish, Session = Make.Session(TrainingState.Succeeded) },
                "Accepted=True/Accepted Running=False/Finished Suspended=False/NotSuspended Complete=True/AdapterCreated Failed=False/NoFailure"),
        ];
        foreach ((FinetunePlan plan, string conditions) in table)
            Assert.Equal(conditions, Text(FinetuneStatusBuilder.Build(Observed(), plan)));
    }

    [Fact]
    public void A_suspended_job_says_so_only_once_it_has_stopped()
    {
        FinetuneObservation observed = Observed();
        observed.Job.Spec.Suspend = true;
        Assert.Contains("Running=True/InProgress Suspended=False/Suspending", Text(FinetuneStatusBuilder.Build(observed, Running)), StringComparison.Ordinal);
        FinetunePlan stopped = Running with { Session = Make.Session(TrainingState.Suspended) };
        Assert.Contains("Running=False/Suspended Suspended=True/Suspended", Text(FinetuneStatusBuilder.Build(observed, stopped)), StringComparison.Ordinal);
        FinetuneJobStatus never = FinetuneStatusBuilder.Build(observed, new FinetunePlan(FinetuneStep.Suspend));
        Assert.Contains("Running=False/Suspended Suspended=True/Suspended", Text(never), StringComparison.Ordinal);
        Assert.Null(never.StartTime);
    }

    [Fact]
    public void Progress_is_told_in_decimal_strings()
    {
        FinetuneProgress progress = FinetuneStatusBuilder.Build(Observed(), Running).Progress!;
        Assert.Equal((5, 20, 1000L), (progress.Step, progress.TotalSteps, progress.Tokens));
        Assert.Equal(("1.2346", "322.0", 13L), (progress.Loss, progress.TokensPerSecond, progress.EstimatedRemainingSeconds));
        Assert.Null(progress.EvalLoss);
    }

    [Fact]
    public void Progress_is_kept_while_a_new_worker_reads_its_checkpoint()
    {
        FinetuneObservation observed = Observed();
        observed.Job.Status = FinetuneStatusBuilder.Build(observed, Running);
        FinetunePlan[] plans =
        [
            Running with { Session = Make.Session(TrainingState.Starting, step: 0) }, Fail(FinetuneStep.Wait, Reasons.NoReadyReplica),
        ];
        Assert.All(plans, plan => Assert.Equal(5, FinetuneStatusBuilder.Build(observed, plan).Progress!.Step));
    }

    [Fact]
    public void Start_and_end_are_noted_once()
    {
        FinetuneObservation observed = Observed();
        observed.Job.Status = FinetuneStatusBuilder.Build(observed, Running);
        FinetuneJobStatus ended = FinetuneStatusBuilder.Build(
            observed with { Now = Make.Now.AddMinutes(3) }, Running with { Step = FinetuneStep.Publish, Session = Make.Session(TrainingState.Succeeded) });
        Assert.Equal((Make.Now.UtcDateTime, Make.Now.AddMinutes(3).UtcDateTime), (ended.StartTime, ended.CompletionTime));
        Assert.Equal(("french", Make.Digest('c')), (ended.AdapterName, ended.AdapterDigest));
        observed.Job.Status = ended;
        Assert.Equal(KubernetesJson.Serialize(ended), KubernetesJson.Serialize(Rested()));

        // kubectl wait passes over conditions of an earlier generation.
        observed.Job.Metadata.Generation = 2;
        FinetuneJobStatus later = Rested();
        Assert.Equal(2, later.ObservedGeneration);
        Assert.All(later.Conditions!, condition => Assert.Equal(2, condition.ObservedGeneration));
        Assert.Equal(ended.Conditions!.Select(condition => condition.LastTransitionTime), later.Conditions!.Select(condition => condition.LastTransitionTime));
        Assert.Equal((ended.CompletionTime, ended.AdapterDigest, Text(ended)), (later.CompletionTime, later.AdapterDigest, Text(later)));

        FinetuneJobStatus Rested() => FinetuneStatusBuilder.Build(observed with { Now = Make.Now.AddDays(1) }, new FinetunePlan(FinetuneStep.Rest));
    }

    [Fact]
    public void The_same_world_gives_the_same_status()
    {
        FinetuneObservation observed = Observed();
        observed.Job.Status = FinetuneStatusBuilder.Build(observed, Running);
        Assert.Equal(
            KubernetesJson.Serialize(observed.Job.Status),
            KubernetesJson.Serialize(FinetuneStatusBuilder.Build(observed with { Now = Make.Now.AddHours(1) }, Running)));
    }

    [Fact]
    public void A_request_says_all_of_the_spec_in_the_workers_words()
    {
        FinetuneJob job = Make.Job(spec =>
        {
            spec.Suspend = true;
            spec.Lora = new() { Rank = 8, Alpha = 16, TargetModules = ["q_proj"] };
            spec.Dataset = new() { Uri = "file:///d.jsonl", EvalUri = "file:///e.jsonl", Format = DatasetFormat.Chat };
            spec.Hyperparameters = new()
            {
                LearningRate = "1e-3",
                Epochs = 2,
                MaxSteps = 7,
                BatchSize = 3,
                SequenceLength = 64,
                WarmupSteps = 5,
                WeightDecay = "0.1",
                MaxGradientNorm = "0.5",
                Seed = 9,
            };
            spec.Checkpoint = new() { IntervalSteps = 4, Retain = 1, Uri = "file:///ckpt" };
            spec.Output.Uri = "file:///out";
        });
        TrainingRequest request = TrainingRequests.Make(job, Make.Data, Make.Pod(), out Check problem)!;
        Assert.True(problem.Holds);
        Assert.Equal(("job", true, "file:///out/adapter-job-uid", "file:///ckpt/job-uid", 4, 1),
            (request.Job, request.Suspend, request.OutputUri, request.CheckpointUri, request.CheckpointIntervalSteps, request.CheckpointRetain));
        Assert.Equal(new TrainingDataset { Uri = "file:///d.jsonl", EvalUri = "file:///e.jsonl", Format = TrainingDataFormat.Chat }, request.Dataset);
        Assert.Equal((8, 16, "q_proj"), (request.Lora.Rank, request.Lora.Alpha, request.Lora.TargetModules.Single()));
        Assert.Equal(
            new TrainingHyperparameters
            {
                LearningRate = 1e-3,
                Epochs = 2,
                MaxSteps = 7,
                BatchSize = 3,
                SequenceLength = 64,
                WarmupSteps = 5,
                WeightDecay = 0.1,
                MaxGradientNorm = 0.5,
                Seed = 9,
            },
            request.Hyperparameters);
    }

    [Fact]
    public void A_job_made_anew_under_an_old_name_finds_no_old_checkpoint()
    {
        FinetuneJob again = Make.Job();
        again.Metadata.Uid = "second-uid";
        foreach (string? uri in new[] { null, "file:///out" })
        {
            FinetuneJob first = Make.Job(spec => spec.Output.Uri = uri);
            again.Spec.Output.Uri = uri;
            Assert.NotEqual(FinetunePaths.Checkpoints(first, Make.Data), FinetunePaths.Checkpoints(again, Make.Data));
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("file:///out")]
    [InlineData("file:///")]
    [InlineData("pvc://shared")]
    public void What_an_export_replaces_holds_nothing_of_others_and_no_checkpoint(string? uri)
    {
        FinetuneJob job = Make.Job(spec => spec.Output.Uri = uri), other = Make.Job(spec => spec.Output.Uri = uri);
        other.Metadata.Uid = "second-uid";
        string[] places =
        [
            .. ((FinetuneJob[])[job, other]).SelectMany(each => (StorageUri?[])[FinetunePaths.Output(each, Make.Data), FinetunePaths.Checkpoints(each, Make.Data)])
                .Select(place => place!.ToString()),
        ];
        foreach (string place in places)
            Assert.Single(places, each => each == place || each.StartsWith(place + "/", StringComparison.Ordinal));
    }

    private static FinetunePlan Fail(FinetuneStep step, string reason) => new(step) { Problem = Check.Fail(reason, "because") };

    private static FinetuneObservation Observed() => new() { Job = Make.Job(), Now = Make.Now, Data = Make.Data, Model = Make.Model() };

    private static string Text(FinetuneJobStatus status) =>
        string.Join(' ', (status.Conditions ?? []).Select(condition => $"{condition.Type}={condition.Status}/{condition.Reason}"));
}
