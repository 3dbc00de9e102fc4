using System.Text.Json.Nodes;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Protocol.Control;
using k8s.Models;
using Xunit;


namespace AiFabric.Cluster.Tests.Operator;

/// <content>Jobs and adapters.</content>
public abstract partial class OperatorTests
{
    [Fact]
    public async Task A_job_trains_and_its_adapter_is_served_by_every_replica()
    {
        await _fabric.CreateModelAsync(replicas: 2);
        await _fabric.CreateJobAsync();
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        await _fabric.ConditionAsync<Adapter>("french", AdapterConditions.Ready, "True");
        FinetuneJob job = (await _fabric.Client.GetAsync<FinetuneJob>("job", _fabric.Space))!;
        Assert.Equal((FakeWorker.TotalSteps, "french", "1.0000"), (job.Status.Progress!.Step, job.Status.AdapterName, job.Status.Progress.Loss));
        Adapter adapter = (await _fabric.Client.GetAsync<Adapter>("french", _fabric.Space))!;
        Assert.Equal((2, 2, "demo:french"), (adapter.Status.LoadedReplicas, adapter.Status.DesiredReplicas, adapter.Status.ServedName));
        Assert.All(_fabric.Kubelet.Workers, worker => Assert.Contains("french", worker.Adapters.Keys));

        await _fabric.Client.DeleteAsync<FinetuneJob>("job", _fabric.Space);
        await GoneAsync<FinetuneJob>("job");
        Assert.NotNull(await _fabric.Client.GetAsync<Adapter>("french", _fabric.Space));
        await _fabric.Client.DeleteAsync<Adapter>("french", _fabric.Space);
        await GoneAsync<Adapter>("french");
        Assert.All(_fabric.Kubelet.Workers, worker => Assert.Empty(worker.Adapters));
    }

    [Fact]
    public async Task A_worker_that_lost_all_gets_its_session_and_adapters_back()
    {
        _fabric.Kubelet.Disk.Adapters["file:///adapters/german"] = "sha256:" + new string('e', 64);
        FakeWorker.HoldAt = 12;
        await _fabric.CreateModelAsync();
        await _fabric.Client.CreateAsync(NewAdapter("german"));
        await _fabric.CreateJobAsync(change: spec => spec.Checkpoint = new CheckpointSpec { IntervalSteps = 5 });
        await StepAsync(12);
        await _fabric.ConditionAsync<Adapter>("german", AdapterConditions.Ready, "True");

        _fabric.Kubelet.Workers.Single().Crash();
        FakeWorker.HoldAt = int.MaxValue;
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        await _fabric.ConditionAsync<Adapter>("german", AdapterConditions.Ready, "True");
        await Fabric.WaitAsync(
            () => Task.FromResult(_fabric.Kubelet.Workers.Single().Adapters.ContainsKey("german")), () => "the adapter to be loaded again");
        Assert.Equal(0, (await _fabric.Client.GetAsync<FinetuneJob>("job", _fabric.Space))!.Status.Failures);
    }

    [Fact]
    public async Task A_job_whose_pod_is_gone_resumes_on_another_replica()
    {
        FakeWorker.HoldAt = 12;
        await _fabric.CreateModelAsync(replicas: 2);
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
        await _fabric.CreateJobAsync(change: spec => spec.Checkpoint = new CheckpointSpec { IntervalSteps = 5 });
        await StepAsync(12);
        string first = (await _fabric.Client.GetAsync<FinetuneJob>("job", _fabric.Space))!.Status.Pod!;
        await _fabric.Client.DeleteAsync<V1Pod>(first, _fabric.Space);
        FakeWorker.HoldAt = int.MaxValue;
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        FinetuneJobStatus status = (await _fabric.Client.GetAsync<FinetuneJob>("job", _fabric.Space))!.Status;
        Assert.NotEqual(first, status.Pod);
        Assert.Equal(0, status.Failures);
    }

    [Fact]
    public async Task A_job_goes_on_while_the_operator_is_away_and_after()
    {
        FakeWorker.HoldAt = 8;
        await _fabric.CreateModelAsync();
        await _fabric.CreateJobAsync();
        await StepAsync(8);
        await _fabric.StopOperatorAsync();
        _fabric.Kubelet.Workers.Single().Plant("stray-uid", "stray");
        FakeWorker.HoldAt = int.MaxValue;
        await _fabric.StartOperatorAsync();
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        FakeWorker worker = _fabric.Kubelet.Workers.Single();
        await Fabric.WaitAsync(
            () => Task.FromResult(!worker.Sessions.Contains("stray-uid") && !worker.Adapters.ContainsKey("stray")),
            () => "what no object asks for to be removed");
        await Fabric.WaitAsync(() => Task.FromResult(worker.Sessions.Count == 0), () => "what the ended job left on its worker to be removed");
        string[] cancelled = [.. worker.Calls.Where(call => call.StartsWith("DELETE training/", StringComparison.Ordinal))];
        Assert.All(cancelled, call => Assert.True(call.EndsWith("stray-uid", StringComparison.Ordinal) || call.EndsWith(" ended", StringComparison.Ordinal), call));
    }

    [Fact]
    public async Task A_job_that_a_replica_has_no_room_for_is_tried_on_another()
    {
        await _fabric.CreateModelAsync(replicas: 2);
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
        foreach (FakeWorker worker in _fabric.Kubelet.Workers)
            worker.IsFull = true;
        await _fabric.CreateJobAsync();
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Running, "False", "TooManySessions");
        await Fabric.WaitAsync(
            () => Task.FromResult(_fabric.Kubelet.Workers.All(worker => worker.Calls.Any(call => call.StartsWith("PUT training/", StringComparison.Ordinal)))),
            () => "both replicas to be asked");
        foreach (FakeWorker worker in _fabric.Kubelet.Workers)
            worker.IsFull = false;
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        Assert.Equal(0, (await _fabric.Client.GetAsync<FinetuneJob>("job", _fabric.Space))!.Status.Failures);
    }

    [Fact]
    public async Task A_job_can_be_suspended_and_resumed()
    {
        FakeWorker.HoldAt = 6;
        await _fabric.CreateModelAsync();
        await _fabric.CreateJobAsync();
        await StepAsync(6);
        await PatchAsync<FinetuneJob>("job", "suspend", true);
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Suspended, "True");
        FakeWorker.HoldAt = int.MaxValue;
        await PatchAsync<FinetuneJob>("job", "suspend", false);
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
    }

    [Fact]
    public async Task A_changed_checkpoint_interval_takes_effect_in_a_running_job()
    {
        FakeWorker.HoldAt = 6;
        await _fabric.CreateModelAsync();
        await _fabric.CreateJobAsync(change: spec => spec.Checkpoint = new CheckpointSpec { IntervalSteps = 3 });
        await StepAsync(6);
        await _fabric.Client.PatchAsync<FinetuneJob>(
            "job", _fabric.Space, new JsonObject { ["spec"] = new JsonObject { ["checkpoint"] = new JsonObject { ["intervalSteps"] = 2 } } });
        FakeWorker.HoldAt = int.MaxValue;
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        Assert.Contains(
            _fabric.Kubelet.Workers.Single().Calls,
            call => call.StartsWith("DELETE training/", StringComparison.Ordinal) && !call.EndsWith(" ended", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_failure_that_may_pass_is_retried_and_bad_input_is_not()
    {
        FakeWorker.HoldAt = 3;
        await _fabric.CreateModelAsync();
        await _fabric.CreateJobAsync();
        await StepAsync(3);
        FakeWorker worker = _fabric.Kubelet.Workers.Single();
        worker.NextError = new TrainingError { Reason = "StorageFull", Message = "no space", Retryable = true };
        FakeWorker.HoldAt = int.MaxValue;
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        Assert.Equal(1, (await _fabric.Client.GetAsync<FinetuneJob>("job", _fabric.Space))!.Status.Failures);

        worker.NextError = new TrainingError { Reason = "InvalidDataset", Message = "train.jsonl:7: no field text", Retryable = false };
        await _fabric.CreateJobAsync("bad", spec => spec.Output.AdapterName = "bad");
        V1Condition failed = await _fabric.ConditionAsync<FinetuneJob>("bad", FinetuneJobConditions.Failed, "True", "InvalidDataset");
        Assert.Contains("train.jsonl:7", failed.Message, StringComparison.Ordinal);
        Assert.Null(await _fabric.Client.GetAsync<Adapter>("bad", _fabric.Space));
        await Fabric.WaitAsync(
            async () => (await _fabric.Client.ListAsync<Corev1Event>(_fabric.Space)).Any(e => e is { Reason: "InvalidDataset", Type: "Warning" }),
            () => "an event");
    }

    [Fact]
    public async Task A_job_that_finds_no_memory_goes_to_another_replica_and_counts_no_failure()
    {
        await _fabric.CreateModelAsync(replicas: 2);
        await _fabric.ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");
        foreach (FakeWorker worker in _fabric.Kubelet.Workers)
            worker.NextError = new TrainingError { Reason = "InsufficientMemory", Message = "other jobs have it", Retryable = true };
        await _fabric.CreateJobAsync(change: spec => spec.BackoffLimit = 0);
        await _fabric.ConditionAsync<FinetuneJob>("job", FinetuneJobConditions.Complete, "True");
        Assert.All(
            _fabric.Kubelet.Workers,
            worker => Assert.Contains(worker.Calls, call => call.StartsWith("PUT training/", StringComparison.Ordinal)));
        Assert.Equal(0, (await _fabric.Client.GetAsync<FinetuneJob>("job", _fabric.Space))!.Status.Failures);
    }

    [Fact]
    public async Task Deleting_a_running_job_cancels_its_session()
    {
        FakeWorker.HoldAt = 3;
        await _fabric.CreateModelAsync();
        await _fabric.CreateJobAsync();
        await StepAsync(3);
        await _fabric.Client.DeleteAsync<FinetuneJob>("job", _fabric.Space);
        await GoneAsync<FinetuneJob>("job");
        Assert.Empty(_fabric.Kubelet.Workers.Single().Sessions);
    }

    [Fact]
    public async Task A_changed_immutable_field_is_refused_and_the_session_left_alone()
    {
        FakeWorker.HoldAt = 3;
        await _fabric.CreateModelAsync();
        await _fabric.CreateJobAsync();
        await StepAsync(3);
        await ChangeDatasetAsync();
        Assert.Single(_fabric.Kubelet.Workers.Single().Sessions);
    }

    [Fact]
    public async Task An_adapter_that_is_none_fails_with_the_workers_reason()
    {
        await _fabric.CreateModelAsync();
        await _fabric.Client.CreateAsync(NewAdapter("nothing"));
        await _fabric.ConditionAsync<Adapter>("nothing", AdapterConditions.Failed, "True", "AdapterInvalid");
    }
}
